//! The frame of every chart: [`Chart`], with its title, its axes, a sentence for those who cannot see
//! it, and its data as comma-separated values.

use std::fmt::Write;

use maud::{Markup, html};

use super::scale::{Scale, place, tick};

/// The width of a chart in its own units, which is about that of a phone in pixels.
pub(super) const WIDTH: f64 = 350.0;

/// Where axes begin and end.
pub(super) const LEFT: f64 = 46.0;
pub(super) const RIGHT: f64 = 340.0;

/// A chart.
pub(super) struct Chart {
    /// What it shows.
    pub(super) title: String,
    /// What it says, in a sentence.
    pub(super) says: String,
    /// Its height.
    pub(super) height: f64,
    /// Axes and marks.
    pub(super) body: Markup,
    /// What each kind of mark means: the class that colours it, and its name.
    pub(super) legend: Vec<(&'static str, String)>,
    /// Its data.
    pub(super) csv: String,
}

impl Chart {
    /// The chart as a figure.
    pub(super) fn figure(&self) -> Markup {
        let size = format!("0 0 {} {}", place(WIDTH), place(self.height));
        html! {
            figure class="chart" {
                figcaption { (self.title) }
                svg viewBox=(size) role="img" aria-label=(format!("{}. {}", self.title, self.says)) {
                    title { (self.title) }
                    desc { (self.says) }
                    (self.body)
                }
                p class="legend" {
                    @for (class, name) in &self.legend {
                        span class="item" { span class=(format!("key {class}")) aria-hidden="true" {} (name) } " "
                    }
                    a href=(data_link(&self.csv)) download=(format!("{}.csv", file_name(&self.title)))
                        aria-label=(format!("Data of {} as CSV", self.title)) { "CSV" }
                }
            }
        }
    }
}

/// The axis at the bottom, with its ticks and what it measures.
pub(super) fn bottom_axis(x: &Scale, y: f64, top: f64, name: &str) -> Markup {
    let (left, right) = x.ends();
    html! {
        @for value in x.ticks() {
            line class="grid" x1=(place(x.at(value))) x2=(place(x.at(value))) y1=(place(top)) y2=(place(y)) {}
            text class="tick" x=(place(x.at(value))) y=(place(y + 13.0)) text-anchor="middle" { (tick(value)) }
        }
        line class="axis" x1=(place(left)) x2=(place(right)) y1=(place(y)) y2=(place(y)) {}
        text class="name" x=(place(right)) y=(place(y + 27.0)) text-anchor="end" { (name) }
    }
}

/// The axis on the left, with what it measures above it.
pub(super) fn left_axis(y: &Scale, name: &str) -> Markup {
    let (bottom, top) = y.ends();
    html! {
        @for value in y.ticks() {
            line class="grid" x1=(place(LEFT)) x2=(place(RIGHT)) y1=(place(y.at(value))) y2=(place(y.at(value))) {}
            text class="tick" x=(place(LEFT - 5.0)) y=(place(y.at(value) + 3.5)) text-anchor="end" { (tick(value)) }
        }
        line class="axis" x1=(place(LEFT)) x2=(place(LEFT)) y1=(place(top)) y2=(place(bottom)) {}
        text class="name" x="2" y="10" { (name) }
    }
}

/// A line through points, or a staircase.
pub(super) fn path(points: &[(f64, f64)], is_stairs: bool) -> String {
    let mut path = String::new();
    for (at, (x, y)) in points.iter().enumerate() {
        let _ = match (at, is_stairs) {
            (0, _) => write!(path, "M{} {}", place(*x), place(*y)),
            (_, true) => write!(path, "H{}V{}", place(*x), place(*y)),
            (_, false) => write!(path, "L{} {}", place(*x), place(*y)),
        };
    }
    path
}

/// Every so many of the points, so that at most `most` are left; the last is always there.
pub(super) fn thinned<T: Copy>(points: &[T], most: usize) -> Vec<T> {
    let step = points.len().div_ceil(most.max(1)).max(1);
    let mut kept: Vec<T> = points.iter().copied().step_by(step).collect();
    if let (Some(last), true) =
        (points.last(), !points.len().saturating_sub(1).is_multiple_of(step))
    {
        kept.push(*last);
    }
    kept
}

/// A link that holds a text.
pub(super) fn data_link(csv: &str) -> String {
    let mut link = "data:text/csv;charset=utf-8,".to_owned();
    for byte in csv.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b',' | b'-' | b'_' | b':' | b'/' => {
                link.push(char::from(byte));
            }
            _ => {
                let _ = write!(link, "%{byte:02X}");
            }
        }
    }
    link
}

fn file_name(title: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
    title.to_lowercase().chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinned_points_keep_both_ends() {
        let points: Vec<u32> = (0..1_000).collect();
        let kept = thinned(&points, 100);
        assert!(kept.len() <= 101 && kept.first() == Some(&0) && kept.last() == Some(&999));
        assert_eq!(thinned(&[1, 2, 3], 100), [1, 2, 3]);
        assert_eq!(thinned::<u32>(&[], 10), [0_u32; 0]);
    }

    #[test]
    fn a_link_with_data_holds_no_markup() {
        assert_eq!(data_link("a,b\n\"<1>\","), "data:text/csv;charset=utf-8,a,b%0A%22%3C1%3E%22,");
    }
}
