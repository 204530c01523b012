//! Tails of the normal and of Student's t distribution, and the conversion between them.
//!
//! The boundaries are computed for normal z; a change is divided by an *estimated* standard error,
//! so its tail is Student's. [`z_of_t`] finds the z with the same tail probability.

use statrs::distribution::{Continuous, ContinuousCDF, StudentsT};
use statrs::function::erf::{erfc, erfc_inv};

/// Beyond this a tail is below 1e-280 and cannot be distinguished from 0: z is limited to this.
const FAR: f64 = 35.0;

/// P(Z > z) of the standard normal.
pub(crate) fn normal_tail(z: f64) -> f64 {
    0.5 * erfc(z / std::f64::consts::SQRT_2)
}

/// The z with P(Z > z) = `tail`, for 0 < `tail` < 1.
pub(crate) fn normal_z(tail: f64) -> f64 {
    (std::f64::consts::SQRT_2 * erfc_inv(2.0 * tail)).clamp(-FAR, FAR)
}

/// The density of the standard normal.
pub(crate) fn normal_density(z: f64) -> f64 {
    (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

/// The normal z that is as far in its tail as `t` is in Student's with `df` degrees of freedom (not
/// necessarily whole).
pub(crate) fn z_of_t(t: f64, df: f64) -> f64 {
    if t < 0.0 {
        return -z_of_t(-t, df);
    }
    // `df` is at least that of the prior, so it is positive. An invalid one must not make anything
    // look significant.
    StudentsT::new(0.0, 1.0, df)
        .map_or(0.0, |student| normal_z(student.sf(t).max(f64::MIN_POSITIVE)))
}

/// The inverse of [`z_of_t`]: the t with the same tail probability as `z` in the normal
/// distribution.
pub(crate) fn t_of_z(z: f64, df: f64) -> f64 {
    if z < 0.0 {
        return -t_of_z(-z, df);
    }
    // t exceeds z, so Newton's steps start from there; z_of_t is concave, so that they never
    // overshoot twice.
    let mut t = z;
    for _ in 0..60 {
        let at = z_of_t(t, df);
        let slope = student_density(t, df) / normal_density(at);
        let step = (z - at) / slope;
        t += step;
        if !t.is_finite() || step.abs() < 1e-10 * (1.0 + t) {
            break;
        }
    }
    t
}

/// The 95 % upper limit of a standard deviation that was estimated with `df` degrees of freedom.
pub(crate) fn upper_limit(sd: f64, df: f64) -> f64 {
    // A variance that was estimated is the true one times χ²/df. Wilson and Hilferty's cube root
    // (1931) is right to a percent from 2 degrees of freedom on.
    let part = 2.0 / (9.0 * df);
    let low = (1.0 - part - 1.644_854 * part.sqrt()).max(0.05).powi(3);
    sd / low.sqrt()
}

/// The density of Student's distribution.
fn student_density(t: f64, df: f64) -> f64 {
    StudentsT::new(0.0, 1.0, df).map_or(0.0, |student| student.pdf(t))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upper_limit_agrees_with_published_tables() {
        // χ² of 5 %: 1.145 of 5, 3.940 of 10, 18.493 of 30 degrees of freedom.
        for (df, chi) in [(5.0, 1.145), (10.0, 3.940), (30.0, 18.493)] {
            let wanted = f64::sqrt(df / chi);
            assert!((upper_limit(1.0, df) / wanted - 1.0).abs() < 0.02, "{df}");
        }
    }

    #[test]
    fn tails_agree_with_published_tables() {
        for (z, tail) in
            [(0.0, 0.5), (1.644_853_627, 0.05), (1.959_963_985, 0.025), (3.090_232_306, 0.001)]
        {
            assert!((normal_tail(z) - tail).abs() < 1e-9, "{z}");
            assert!((normal_z(tail) - z).abs() < 1e-6, "{tail}");
        }
        // One-sided 5 % and 0.1 % points of Student's t: 2.015 and 5.893 with 5 degrees of freedom,
        // 1.812 with 10.
        for (t, df, tail) in
            [(2.015_048, 5.0, 0.05), (5.893_430, 5.0, 0.001), (1.812_461, 10.0, 0.05)]
        {
            assert!((z_of_t(t, df) - normal_z(tail)).abs() < 1e-5, "{t} {df}");
            assert!((t_of_z(normal_z(tail), df) - t).abs() < 1e-4, "{t} {df}");
        }
        for (z, df) in [(0.0, 5.0), (2.17, 2.5), (4.5, 3.0), (4.3, 13.0), (7.0, 60.0)] {
            assert!((z_of_t(t_of_z(z, df), df) - z).abs() < 1e-8, "{z} {df}");
        }
    }

    #[test]
    fn z_rises_with_t_and_never_exceeds_it() {
        for df in [2.0, 4.5, 9.0, 30.0] {
            let zs: Vec<f64> = (0..400).map(|step| z_of_t(f64::from(step) * 0.25, df)).collect();
            assert!(zs.windows(2).all(|pair| pair[0] < pair[1]), "{df}");
            assert!(
                zs.iter().zip(0..).all(|(z, step)| *z <= f64::from(step) * 0.25 + 1e-9),
                "{df}"
            );
        }
        assert!((z_of_t(-2.0, 7.0) + z_of_t(2.0, 7.0)).abs() < 1e-12);
        assert!(z_of_t(1e12, 3.0).is_finite());
    }
}
