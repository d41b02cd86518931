//! Exact decimal numbers. A reading is taken digit by digit or refused, never rounded on the way in; only a result
//! that has no finite decimal (35/36) is rounded, once, half to even.

use rust_decimal::Decimal;
use serde_json::{Number, Value};

/// Significant digits, and decimals, that a number may have.
const DIGITS: u32 = 28;
/// The first whole number with too many digits.
const LIMIT: u128 = 10_u128.pow(DIGITS);
/// Half of the digits, so that the product of two halves fits 128 bits.
const HALF: u128 = 10_u128.pow(DIGITS / 2);
/// Digits in the product of two numbers.
const PRODUCT_DIGITS: usize = 2 * DIGITS as usize;

/// Why a value gives no exact number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoNumber {
    /// Neither a JSON number nor a string that is one.
    NotANumber,
    /// More than 28 significant digits, or more than 28 decimals.
    OutOfRange,
}

/// A decimal of at most 28 significant digits and at most 28 decimals, without trailing zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exact(Decimal);

impl Exact {
    /// 1.
    pub(super) const ONE: Self = Self(Decimal::ONE);

    /// `mantissa` × 10^-`scale`.
    ///
    /// # Errors
    /// `OutOfRange`.
    pub(super) fn new(mantissa: u64, scale: u32) -> Result<Self, NoNumber> {
        Self::assemble(false, u128::from(mantissa), i64::from(scale))
    }

    /// Reads a JSON number, or a string whose whole text is one (meter exports often quote them). Nothing is guessed:
    /// `"1,5"`, `"1 000"`, `"+5"`, `".5"`, `"007"` and `" 5"` are not numbers.
    ///
    /// # Errors
    /// `NotANumber`, `OutOfRange`.
    pub(super) fn read(value: &Value) -> Result<Self, NoNumber> {
        match value {
            Value::Number(number) => Self::from_json_text(number.as_str()),
            Value::String(text) => {
                let number: Number = text.parse().map_err(|_| NoNumber::NotANumber)?;
                Self::from_json_text(number.as_str())
            }
            _ => Err(NoNumber::NotANumber),
        }
    }

    /// The digits of `text`, whatever its exponent: `1e3` is 1000, `120e-1` is 12.
    fn from_json_text(text: &str) -> Result<Self, NoNumber> {
        let (negative, unsigned) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (coefficient, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = coefficient.split_once('.').unwrap_or((coefficient, ""));

        let written = [whole, fraction].concat();
        if written.is_empty() || !written.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NoNumber::NotANumber);
        }
        let digits = written.trim_end_matches('0');
        let shortened = written.len() - digits.len();
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            return Ok(Self(Decimal::ZERO));
        }

        let exponent: i64 = exponent.parse().map_err(|_| NoNumber::OutOfRange)?;
        let scale = length(fraction.len())?.saturating_sub(length(shortened)?).saturating_sub(exponent);
        let mantissa: u128 = digits.parse().map_err(|_| NoNumber::OutOfRange)?;
        Self::assemble(negative, mantissa, scale)
    }

    /// ±`mantissa` × 10^-`scale`, when it fits.
    fn assemble(negative: bool, mantissa: u128, scale: i64) -> Result<Self, NoNumber> {
        if mantissa == 0 {
            return Ok(Self(Decimal::ZERO));
        }
        let (mut mantissa, mut scale) = (mantissa, scale);
        while scale > 0 && mantissa.is_multiple_of(10) {
            mantissa /= 10;
            scale -= 1;
        }
        while scale < 0 && mantissa < LIMIT {
            mantissa *= 10;
            scale += 1;
        }
        let scale = u32::try_from(scale).map_err(|_| NoNumber::OutOfRange)?;
        if mantissa >= LIMIT || scale > DIGITS {
            return Err(NoNumber::OutOfRange);
        }
        let magnitude = i128::try_from(mantissa).map_err(|_| NoNumber::OutOfRange)?;
        let signed = if negative { -magnitude } else { magnitude };
        Decimal::try_from_i128_with_scale(signed, scale).map(Self).map_err(|_| NoNumber::OutOfRange)
    }

    /// The exact sum, whatever the order of the numbers.
    ///
    /// # Errors
    /// `OutOfRange`, when the sum has more digits than fit.
    pub(super) fn sum(numbers: impl IntoIterator<Item = Self>) -> Result<Self, NoNumber> {
        let one = LIMIT.cast_signed();
        let (mut whole, mut fraction) = (0_i128, 0_i128);
        for Self(number) in numbers {
            let unit = 10_i128.pow(number.scale());
            let (wholes, rest) = (number.mantissa() / unit, number.mantissa() % unit);
            whole = whole.checked_add(wholes).ok_or(NoNumber::OutOfRange)?;
            fraction = fraction.checked_add(rest * (one / unit)).ok_or(NoNumber::OutOfRange)?;
        }

        whole += fraction.div_euclid(one);
        fraction = fraction.rem_euclid(one);
        if whole < 0 && fraction > 0 {
            whole += 1;
            fraction -= one;
        }
        let mut scale = DIGITS;
        while scale > 0 && fraction % 10 == 0 {
            fraction /= 10;
            scale -= 1;
        }
        let mantissa = whole
            .checked_mul(10_i128.pow(scale))
            .and_then(|shifted| shifted.checked_add(fraction))
            .ok_or(NoNumber::OutOfRange)?;
        Self::assemble(mantissa.is_negative(), mantissa.unsigned_abs(), i64::from(scale))
    }

    /// This number × `numerator` ÷ `denominator`: exact where the result has an end within 28 significant digits and
    /// 28 decimals, else rounded there once, half to even.
    ///
    /// # Errors
    /// `OutOfRange`, when the result is too large or the denominator is zero.
    pub(super) fn times(self, numerator: Self, denominator: Self) -> Result<Self, NoNumber> {
        let divisor = denominator.magnitude();
        if divisor == 0 {
            return Err(NoNumber::OutOfRange);
        }
        let negative = self.0.is_sign_negative() ^ numerator.0.is_sign_negative() ^ denominator.0.is_sign_negative();
        let product = product_digits(self.magnitude(), numerator.magnitude());

        // Long division. The scale is that of `quotient`; it grows with every digit taken.
        let (mut quotient, mut remainder, mut taken) = (0_u128, 0_u128, 0_usize);
        let mut scale = i64::from(self.0.scale()) + i64::from(numerator.0.scale())
            - i64::from(denominator.0.scale())
            - length(PRODUCT_DIGITS)?;
        let is_full = |quotient: u128, scale: i64| quotient >= LIMIT || scale > i64::from(DIGITS);
        while !is_full(quotient, scale) && (taken < PRODUCT_DIGITS || remainder > 0) {
            remainder = remainder * 10 + u128::from(product.get(taken).copied().unwrap_or(0));
            quotient = quotient * 10 + remainder / divisor;
            remainder %= divisor;
            taken += 1;
            scale += 1;
        }
        if is_full(quotient, scale) {
            let rest = remainder > 0 || product.iter().skip(taken).any(|&digit| digit > 0);
            let last = quotient % 10;
            quotient /= 10;
            scale -= 1;
            if last > 5 || (last == 5 && (rest || quotient % 2 == 1)) {
                quotient += 1;
            }
        }
        Self::assemble(negative, quotient, scale)
    }

    /// Rounded half to even to at most `decimals` decimals.
    pub(super) fn rounded(self, decimals: u32) -> Self {
        Self(self.0.round_dp(decimals).normalize())
    }

    /// Whether the number is above zero.
    pub(super) fn is_positive(self) -> bool {
        self.0 > Decimal::ZERO
    }

    /// Whether the number is zero.
    pub(super) fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// The number as a JSON number: all digits, no exponent, no trailing zeros, no `-0`.
    pub(super) fn to_json(self) -> Value {
        let plain = if self.0.is_zero() { Decimal::ZERO } else { self.0.normalize() };
        let number = plain.to_string().parse().expect("the text of a decimal is a JSON number");
        Value::Number(number)
    }

    fn magnitude(self) -> u128 {
        self.0.mantissa().unsigned_abs()
    }
}

/// The 56 digits of the product of two numbers below 10^28, most significant first.
fn product_digits(left: u128, right: u128) -> [u8; PRODUCT_DIGITS] {
    let (left_high, left_low) = (left / HALF, left % HALF);
    let (right_high, right_low) = (right / HALF, right % HALF);
    let low = left_low * right_low;
    let middle = left_high * right_low + left_low * right_high + low / HALF;
    let mut parts = [low % HALF + (middle % HALF) * HALF, left_high * right_high + middle / HALF];

    let mut digits = [0; PRODUCT_DIGITS];
    for (index, digit) in digits.iter_mut().rev().enumerate() {
        let part = &mut parts[index / DIGITS as usize];
        *digit = u8::try_from(*part % 10).unwrap_or(0);
        *part /= 10;
    }
    digits
}

/// A length in memory as a scale.
fn length(length: usize) -> Result<i64, NoNumber> {
    i64::try_from(length).map_err(|_| NoNumber::OutOfRange)
}

#[cfg(test)]
mod tests {
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
}
