use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;

fn number(text: &str) -> Value {
    Value::Number(text.parse().expect("a JSON number"))
}

fn exact(text: &str) -> Exact {
    Exact::read(&number(text)).expect("in range")
}

fn written(number: Exact) -> String {
    number.to_json().to_string()
}

#[rstest]
#[case("250", "250")]
#[case("1.10", "1.1")]
#[case("-0", "0")]
#[case("-0.0e5", "0")]
#[case("0e999999999999999999999", "0")]
#[case("1e3", "1000")]
#[case("1E+3", "1000")]
#[case("120e-1", "12")]
#[case("0.1e1", "1")]
#[case("1e-28", "0.0000000000000000000000000001")]
#[case("1e27", "1000000000000000000000000000")]
#[case("9999999999999999999999999999", "9999999999999999999999999999")]
#[case("-9.999999999999999999999999999", "-9.999999999999999999999999999")]
#[case("10.00000000000000000000000000000000000000000", "10")]
#[case("0.30000000000000004", "0.30000000000000004")]
fn every_digit_of_a_reading_is_kept(#[case] given: &str, #[case] expected: &str) {
    assert_eq!(written(exact(given)), expected);
}

#[rstest]
#[case("1e28")]
#[case("1e-29")]
#[case("10000000000000000000000000001")]
#[case("99999999999999999999999999999")]
#[case("1.0000000000000000000000000001")]
#[case("1e9999999999999999999999")]
#[case("1e-9223372036854775808")]
#[case("-1e9223372036854775807")]
fn a_number_with_more_than_28_digits_is_refused(#[case] given: &str) {
    assert_eq!(Exact::read(&number(given)), Err(NoNumber::OutOfRange));
}

#[rstest]
#[case(json!("12.50"), "12.5")]
#[case(json!("-3"), "-3")]
#[case(json!("1e3"), "1000")]
fn a_string_that_is_a_json_number_is_read(#[case] given: Value, #[case] expected: &str) {
    assert_eq!(Exact::read(&given).map(written).as_deref(), Ok(expected));
}

#[rstest]
#[case(json!("1,5"))]
#[case(json!("1 000"))]
#[case(json!(" 5"))]
#[case(json!("5 "))]
#[case(json!("+5"))]
#[case(json!(".5"))]
#[case(json!("5."))]
#[case(json!("007"))]
#[case(json!("0x10"))]
#[case(json!("NaN"))]
#[case(json!("Infinity"))]
#[case(json!("12 kWh"))]
#[case(json!("٣"))]
#[case(json!(""))]
#[case(json!("-"))]
#[case(json!(true))]
#[case(json!(null))]
#[case(json!([1]))]
#[case(json!({"value": 1}))]
fn nothing_else_is_guessed_to_be_a_number(#[case] given: Value) {
    assert_eq!(Exact::read(&given), Err(NoNumber::NotANumber));
}

#[rstest]
#[case(&["8", "4", "6", "10"], "28")]
#[case(&["0.1", "0.2"], "0.3")]
#[case(&["1", "-1"], "0")]
#[case(&["-0.5", "-0.7"], "-1.2")]
#[case(&["-1", "0.3"], "-0.7")]
#[case(&["1", "-0.3"], "0.7")]
#[case(&["9999999999999999999999999999", "0.1", "-9999999999999999999999999999"], "0.1")]
fn sums_are_exact(#[case] given: &[&str], #[case] expected: &str) {
    let sum = Exact::sum(given.iter().map(|text| exact(text)));
    assert_eq!(sum.map(written).as_deref(), Ok(expected));
}

#[rstest]
#[case(&["9999999999999999999999999999", "0.1"])]
#[case(&["9999999999999999999999999999", "1"])]
fn a_sum_that_has_too_many_digits_is_refused(#[case] given: &[&str]) {
    let sum = Exact::sum(given.iter().map(|text| exact(text)));
    assert_eq!(sum, Err(NoNumber::OutOfRange));
}

#[rstest]
#[case("35", "1", "40", "0.875")]
#[case("38", "1", "40", "0.95")]
#[case("-35", "1", "40", "-0.875")]
#[case("0", "1", "-40", "0")]
#[case("1", "1", "3", "0.3333333333333333333333333333")]
#[case("2", "1", "3", "0.6666666666666666666666666667")]
#[case("10", "1", "3", "3.333333333333333333333333333")]
#[case("20", "1", "3", "6.666666666666666666666666667")]
#[case("1", "1", "3e20", "0.0000000000000000000033333333")]
#[case("1e-28", "1", "2", "0")]
#[case("3e-28", "1", "2", "0.0000000000000000000000000002")]
#[case("1e27", "1e-27", "1", "1")]
#[case(
    "9999999999999999999999999999",
    "9999999999999999999999999999",
    "9999999999999999999999999999",
    "9999999999999999999999999999"
)]
#[case("1.2345", "3600000000", "3600000", "1234.5")]
#[case("9999999999999999999999999999", "1", "1e27", "9.999999999999999999999999999")]
#[case("9999999999999999999999999995", "0.1", "1", "999999999999999999999999999.5")]
fn a_quotient_is_exact_or_rounded_half_to_even(
    #[case] value: &str,
    #[case] numerator: &str,
    #[case] denominator: &str,
    #[case] expected: &str,
) {
    let quotient = exact(value).times(exact(numerator), exact(denominator));
    assert_eq!(quotient.map(written).as_deref(), Ok(expected));
}

#[test]
fn a_result_that_is_too_large_or_has_no_value_is_refused() {
    let large = exact("1e27");
    assert_eq!(large.times(exact("10"), Exact::ONE), Err(NoNumber::OutOfRange));
    assert_eq!(large.times(large, Exact::ONE), Err(NoNumber::OutOfRange));
    assert_eq!(Exact::ONE.times(Exact::ONE, exact("0")), Err(NoNumber::OutOfRange));
}

#[rstest]
#[case("2.5", 0, "2")]
#[case("3.5", 0, "4")]
#[case("-0.4", 0, "0")]
#[case("1.005", 2, "1")]
#[case("1.015", 2, "1.02")]
#[case("7", 28, "7")]
fn rounding_goes_half_to_even(#[case] given: &str, #[case] decimals: u32, #[case] expected: &str) {
    assert_eq!(written(exact(given).rounded(decimals)), expected);
}

#[test]
fn a_result_is_serialised_as_a_json_number() {
    let document = json!({ "sum": exact("12345678901234567890.12345678").to_json() });
    assert_eq!(document.to_string(), r#"{"sum":12345678901234567890.12345678}"#);
}

proptest! {
    #[test]
    fn sums_do_not_depend_on_the_order(
        readings in proptest::collection::vec((any::<i64>(), 0_u32..=6), 1..40),
        seed in any::<usize>(),
    ) {
        let read = |&(mantissa, scale): &(i64, u32)| exact(&format!("{mantissa}e-{scale}"));
        let numbers: Vec<Exact> = readings.iter().map(read).collect();
        let mut turned = numbers.clone();
        turned.rotate_left(seed % numbers.len());
        turned.reverse();
        let expected: i128 = readings
            .iter()
            .map(|&(mantissa, scale)| i128::from(mantissa) * 10_i128.pow(6 - scale))
            .sum();
        let sum = Exact::sum(numbers);
        prop_assert_eq!(sum, Exact::sum(turned));
        prop_assert_eq!(sum, Ok(exact(&format!("{expected}e-6"))));
    }

    #[test]
    fn dividing_by_the_factor_undoes_the_multiplication(
        mantissa in any::<i32>(), scale in 0_u32..=8, factor in 1_u32..,
    ) {
        let value = exact(&format!("{mantissa}e-{scale}"));
        let factor = exact(&factor.to_string());
        let product = value.times(factor, Exact::ONE).expect("in range");
        prop_assert_eq!(product.times(Exact::ONE, factor), Ok(value));
    }

    #[test]
    fn what_was_written_is_read_back(mantissa in any::<i64>(), scale in 0_u32..=28) {
        let value = exact(&format!("{mantissa}e-{scale}"));
        prop_assert_eq!(Exact::read(&value.to_json()), Ok(value));
    }
}
