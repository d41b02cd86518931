//! The units that `convert` knows, with their factors. Every factor is exact by definition; none is measured.
//! Symbols are written one way only and letter case counts: `mg` is not `Mg`, `MWh` is not `mWh`.

use super::number::Exact;

/// What a unit measures; only units of one dimension convert into each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dimension {
    /// In joules.
    Energy,
    /// In kilograms.
    Mass,
    /// In cubic metres.
    Volume,
    /// In square metres.
    Area,
    /// In metres.
    Length,
}

/// One unit: `mantissa` × 10^-`scale` of the dimension's base unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) symbol: &'static str,
    pub(super) dimension: Dimension,
    mantissa: u64,
    scale: u32,
}

impl Unit {
    const fn new(symbol: &'static str, dimension: Dimension, mantissa: u64, scale: u32) -> Self {
        Self { symbol, dimension, mantissa, scale }
    }

    /// The unit with exactly this symbol.
    pub(super) fn find(symbol: &str) -> Option<&'static Self> {
        UNITS.iter().find(|unit| unit.symbol == symbol)
    }

    /// How many base units one of these is.
    pub(super) fn factor(&self) -> Exact {
        Exact::new(self.mantissa, self.scale).expect("a factor of the table is in range")
    }

    /// All symbols, for a person who misspelt one.
    pub(super) fn symbols() -> String {
        let symbols: Vec<&str> = UNITS.iter().map(|unit| unit.symbol).collect();
        symbols.join(", ")
    }
}

use Dimension::{Area, Energy, Length, Mass, Volume};

/// Sources: SI brochure, 9th ed. (2019) for SI units and prefixes; NIST SP 811 (2008) appendix B and NIST Handbook 44
/// appendix C for the others, resting on the international yard and pound of 1959 (1 yd = 0.9144 m,
/// 1 lb = 0.453 592 37 kg).
const UNITS: &[Unit] = &[
    // SI: the joule and its prefixes.
    Unit::new("J", Energy, 1, 0),
    Unit::new("kJ", Energy, 1_000, 0),
    Unit::new("MJ", Energy, 1_000_000, 0),
    Unit::new("GJ", Energy, 1_000_000_000, 0),
    Unit::new("TJ", Energy, 1_000_000_000_000, 0),
    // 1 h = 3 600 s, so 1 Wh = 3 600 J.
    Unit::new("Wh", Energy, 3_600, 0),
    Unit::new("kWh", Energy, 3_600_000, 0),
    Unit::new("MWh", Energy, 3_600_000_000, 0),
    Unit::new("GWh", Energy, 3_600_000_000_000, 0),
    Unit::new("TWh", Energy, 3_600_000_000_000_000, 0),
    // BTU of the International Table: 1 055.055 852 62 J (ISO 31-4; NIST SP 811 B.8).
    Unit::new("BTU", Energy, 105_505_585_262, 8),
    // A million BTU (IT).
    Unit::new("MMBTU", Energy, 105_505_585_262, 2),
    // Therm of 100 000 BTU (IT), the therm (EC) of gas bills; not the US therm of 105 480 400 J (59 °F).
    Unit::new("therm", Energy, 105_505_585_262, 3),
    // Tonne of oil equivalent: 41.868 GJ (IEA, UN International Recommendations for Energy Statistics).
    Unit::new("toe", Energy, 41_868_000_000, 0),
    // SI: the gram and its prefixes; the tonne is 1 000 kg.
    Unit::new("mg", Mass, 1, 6),
    Unit::new("g", Mass, 1, 3),
    Unit::new("kg", Mass, 1, 0),
    Unit::new("t", Mass, 1_000, 0),
    Unit::new("kt", Mass, 1_000_000, 0),
    // International avoirdupois pound, 1959; the ounce is its sixteenth.
    Unit::new("lb", Mass, 45_359_237, 8),
    Unit::new("oz", Mass, 28_349_523_125, 12),
    // 2 000 lb (US) and 2 240 lb (imperial).
    Unit::new("short_ton", Mass, 90_718_474, 5),
    Unit::new("long_ton", Mass, 10_160_469_088, 7),
    // The litre is 1 dm3 (CGPM 1964); both of its SI symbols.
    Unit::new("ml", Volume, 1, 6),
    Unit::new("mL", Volume, 1, 6),
    Unit::new("l", Volume, 1, 3),
    Unit::new("L", Volume, 1, 3),
    Unit::new("m3", Volume, 1, 0),
    // US liquid gallon: 231 cubic inches (NIST Handbook 44).
    Unit::new("gal_us", Volume, 3_785_411_784, 12),
    // Imperial gallon: 4.546 09 l (UK Units of Measurement Regulations 1995).
    Unit::new("gal_imp", Volume, 454_609, 8),
    // Cubic foot: (0.3048 m)3.
    Unit::new("ft3", Volume, 28_316_846_592, 12),
    // Barrel of oil: 42 US gallons.
    Unit::new("bbl", Volume, 158_987_294_928, 12),
    // SI: the square metre; the hectare is 10 000 m2.
    Unit::new("m2", Area, 1, 0),
    Unit::new("ha", Area, 10_000, 0),
    Unit::new("km2", Area, 1_000_000, 0),
    // Square foot: (0.3048 m)2; the international acre is 43 560 of them (not the US survey acre, retired in 2022).
    Unit::new("ft2", Area, 9_290_304, 8),
    Unit::new("acre", Area, 40_468_564_224, 7),
    // SI: the metre. International foot and mile, 1959; the nautical mile is 1 852 m (1929).
    Unit::new("m", Length, 1, 0),
    Unit::new("km", Length, 1_000, 0),
    Unit::new("ft", Length, 3_048, 4),
    Unit::new("mi", Length, 1_609_344, 3),
    Unit::new("nmi", Length, 1_852, 0),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rstest::rstest;

    use super::*;

    fn one(from: &str, to: &str) -> String {
        let (from, to) = (Unit::find(from).expect("known"), Unit::find(to).expect("known"));
        assert_eq!(from.dimension, to.dimension);
        let converted = Exact::ONE.times(from.factor(), to.factor()).expect("in range");
        converted.to_json().to_string()
    }

    #[rstest]
    #[case("MWh", "kWh", "1000")]
    #[case("kWh", "MJ", "3.6")]
    #[case("GJ", "J", "1000000000")]
    #[case("TWh", "GWh", "1000")]
    #[case("TJ", "GJ", "1000")]
    #[case("kJ", "Wh", "0.2777777777777777777777777778")]
    #[case("BTU", "J", "1055.05585262")]
    #[case("therm", "BTU", "100000")]
    #[case("MMBTU", "therm", "10")]
    #[case("toe", "MWh", "11.63")]
    #[case("t", "mg", "1000000000")]
    #[case("kt", "t", "1000")]
    #[case("kg", "g", "1000")]
    #[case("lb", "oz", "16")]
    #[case("lb", "kg", "0.45359237")]
    #[case("short_ton", "lb", "2000")]
    #[case("long_ton", "lb", "2240")]
    #[case("m3", "l", "1000")]
    #[case("L", "mL", "1000")]
    #[case("l", "ml", "1000")]
    #[case("gal_us", "l", "3.785411784")]
    #[case("gal_imp", "l", "4.54609")]
    #[case("bbl", "gal_us", "42")]
    #[case("ft3", "l", "28.316846592")]
    #[case("km2", "ha", "100")]
    #[case("acre", "ft2", "43560")]
    #[case("acre", "m2", "4046.8564224")]
    #[case("ft2", "m2", "0.09290304")]
    #[case("mi", "ft", "5280")]
    #[case("km", "m", "1000")]
    #[case("nmi", "m", "1852")]
    fn one_unit_is_as_many_of_the_other_as_its_definition_says(
        #[case] from: &str,
        #[case] to: &str,
        #[case] expected: &str,
    ) {
        assert_eq!(one(from, to), expected);
    }

    #[test]
    fn every_symbol_stands_once_and_has_a_factor_in_range() {
        let symbols: HashSet<&str> = UNITS.iter().map(|unit| unit.symbol).collect();
        assert_eq!(symbols.len(), UNITS.len());
        assert!(UNITS.iter().all(|unit| unit.factor().is_positive()));
    }

    #[rstest]
    #[case("mwh")]
    #[case("KWH")]
    #[case("Mg")]
    #[case("EUR")]
    #[case("")]
    fn other_spellings_are_not_guessed(#[case] symbol: &str) {
        assert_eq!(Unit::find(symbol), None);
    }
}
