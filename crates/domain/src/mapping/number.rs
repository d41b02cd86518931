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
mod tests;
