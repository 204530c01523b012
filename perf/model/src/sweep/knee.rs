//! From where on more load gives little more throughput: [`knee`].

/// The least distance at which a curve has a knee, on axes from 0 to 1. A straight line has 0, a
/// right angle 1.
pub const LEAST_DISTANCE: f64 = 0.1;

/// The knee of a curve that rises and flattens: the number of the point, and its distance.
///
/// Both axes are scaled to 0 to 1 over the points. The knee is the point where y − x is the
/// largest: the farthest above the chord from the curve's first corner to its last. This is the
/// offline definition of *Kneedle* (Satopää et al., *Finding a "Kneedle" in a Haystack*, 2011) for
/// a concave curve, without its smoothing: a sweep has few points, and each is a whole run. A curve
/// of fewer than three points, or whose largest distance is below [`LEAST_DISTANCE`], has none; of
/// equal distances the first counts.
///
/// The points are (x, y) with x ascending.
pub fn knee(points: &[(f64, f64)]) -> Option<(usize, f64)> {
    if points.len() < 3 {
        return None;
    }
    let xs = scale(points.iter().map(|point| point.0))?;
    let ys = scale(points.iter().map(|point| point.1))?;
    let mut best: Option<(usize, f64)> = None;
    for (at, (x, y)) in points.iter().enumerate() {
        let distance = (y - ys.0) / ys.1 - (x - xs.0) / xs.1;
        if best.is_none_or(|(_, farthest)| distance > farthest + 1e-12) {
            best = Some((at, distance));
        }
    }
    best.filter(|(_, distance)| *distance >= LEAST_DISTANCE)
}

/// The least value, and the width of the range; none without a width.
fn scale(values: impl Iterator<Item = f64> + Clone) -> Option<(f64, f64)> {
    let (least, most) = (values.clone().reduce(f64::min)?, values.reduce(f64::max)?);
    let width = most - least;
    (width.is_finite() && width > 0.0).then_some((least, width))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_curve_that_saturates_has_its_knee_where_it_bends() {
        let points = [(1.0, 10.0), (2.0, 20.0), (4.0, 40.0), (8.0, 44.0), (16.0, 46.0)];
        assert_eq!(knee(&points).map(|(at, _)| at), Some(2));
    }

    #[test]
    fn a_published_curve_of_40_60_and_80_requests_has_its_knee_at_60() {
        let points = [(40.0, 1467.89), (60.0, 2529.38), (80.0, 2427.98)];
        assert_eq!(knee(&points).map(|(at, _)| at), Some(1));
    }

    #[test]
    fn a_straight_line_a_curve_that_bends_upwards_and_two_points_have_none() {
        let line: Vec<(f64, f64)> = (1..9).map(|x| (f64::from(x), f64::from(3 * x))).collect();
        assert_eq!(knee(&line), None);
        let upwards: Vec<(f64, f64)> = (1..9).map(|x| (f64::from(x), f64::from(x * x))).collect();
        assert_eq!(knee(&upwards), None);
        assert_eq!(knee(&[(1.0, 1.0), (2.0, 9.0)]), None);
        assert_eq!(knee(&[(1.0, 5.0), (2.0, 5.0), (3.0, 5.0)]), None);
    }

    /// Up to a bend with one slope, flat after it.
    fn bent(at: usize, points: usize) -> Vec<(f64, f64)> {
        (0..points).map(|x| (x as f64, x.min(at) as f64)).collect()
    }

    proptest! {
        #[test]
        fn the_knee_of_a_curve_with_one_bend_is_the_bend(at in 1..8_usize, after in 2..8_usize) {
            let points = bent(at, at + after + 1);
            prop_assert_eq!(knee(&points).map(|(knee, _)| knee), Some(at));
        }

        #[test]
        fn units_and_offsets_of_the_axes_do_not_move_it(
            rises in prop::collection::vec(0.0..100.0_f64, 3..12),
            (scale_x, scale_y) in (0.01..1_000.0_f64, 0.01..1_000.0_f64),
            (from_x, from_y) in (0.0..100.0_f64, 0.0..100.0_f64),
        ) {
            let points: Vec<(f64, f64)> =
                rises.iter().enumerate().map(|(x, y)| (x as f64, *y)).collect();
            let moved: Vec<(f64, f64)> = points
                .iter()
                .map(|(x, y)| (x * scale_x + from_x, y * scale_y + from_y))
                .collect();
            let (found, again) = (knee(&points), knee(&moved));
            let distance = |knee: Option<(usize, f64)>| knee.map_or(0.0, |(_, distance)| distance);
            // Two points of nearly one distance may change places by rounding.
            prop_assert!((distance(found) - distance(again)).abs() < 1e-6
                || (distance(found).max(distance(again)) - LEAST_DISTANCE).abs() < 1e-6);
        }
    }
}
