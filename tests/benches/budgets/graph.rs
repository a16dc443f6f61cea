//! Series of numbers as pictures.

use std::fmt::Write as _;

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const COLUMNS: usize = 60;
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 200.0;
const MARGIN: f64 = 48.0;

/// A line of bars, the highest for the greatest number; the lowest stands for nothing.
pub(crate) fn bars(numbers: &[f64]) -> String {
    let most = greatest(numbers);
    let columns = numbers.chunks(numbers.len().div_ceil(COLUMNS).max(1));
    let heights = columns.map(|column| greatest(column) / most);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 7")]
    heights.map(|height| BARS[((height * 7.0).round() as usize).min(7)]).collect()
}

/// An SVG of one line for each series, from zero up. Titles are the caller's own words.
pub(crate) fn lines(title: &str, across: &str, series: &[(&str, &str, Vec<f64>)]) -> String {
    let (full_width, full_height) = (WIDTH + 2.0 * MARGIN, HEIGHT + 2.0 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {full_width} {full_height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<text x=\"{MARGIN}\" y=\"24\">{title}</text>\n\
         <text x=\"{MARGIN}\" y=\"{:.0}\">{across}</text>\n\
         <path d=\"M{MARGIN} {MARGIN}V{:.0}H{:.0}\" fill=\"none\" stroke=\"#888\"/>\n",
        full_height - 14.0,
        MARGIN + HEIGHT,
        MARGIN + WIDTH,
    );
    for (number, (name, color, values)) in series.iter().enumerate() {
        let most = greatest(values);
        #[expect(clippy::cast_precision_loss, reason = "a coordinate")]
        let points = values.iter().enumerate().map(|(index, value)| {
            let x = MARGIN + WIDTH * index as f64 / (values.len().max(2) - 1) as f64;
            format!("{x:.1},{:.1}", MARGIN + HEIGHT * (1.0 - value / (most * 1.25)))
        });
        let points: Vec<_> = points.collect();
        #[expect(clippy::cast_precision_loss, reason = "a coordinate")]
        let label = WIDTH * 0.45 + 180.0 * number as f64;
        // Writing to a string cannot fail.
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"1.5\"/>\n\
             <text x=\"{label:.0}\" y=\"24\" fill=\"{color}\">{name}, at most {most:.0}</text>",
            points.join(" ")
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn greatest(numbers: &[f64]) -> f64 {
    numbers.iter().copied().fold(f64::MIN_POSITIVE, f64::max)
}
