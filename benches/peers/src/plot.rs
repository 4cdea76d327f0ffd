//! Plots as SVG, for a page with a light or a dark background: their own background is white.

use std::{error::Error, ops::Range, path::Path};

use plotters::{
    coord::{
        Shift,
        ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter},
    },
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

type Outcome = Result<(), Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// One line of a plot.
#[derive(Debug, Clone)]
pub struct Series {
    pub name: String,
    /// Points that are not positive and finite are left out.
    pub points: Vec<(f64, f64)>,
    /// Draws a thick line with marks: ours.
    pub emphasis: bool,
}

/// One axis, with a logarithmic scale.
#[derive(Debug, Clone)]
pub struct Axis {
    pub label: String,
    /// The values at which a number stands. If there are none, they are chosen: 1, 2, 5, 10 and so on.
    pub ticks: Vec<f64>,
    pub format: fn(f64) -> String,
}

impl Axis {
    pub fn new(label: &str, format: fn(f64) -> String) -> Self {
        Self {
            label: label.to_owned(),
            ticks: Vec::new(),
            format,
        }
    }

    pub fn with_ticks(self, ticks: impl IntoIterator<Item = f64>) -> Self {
        Self {
            ticks: ticks.into_iter().collect(),
            ..self
        }
    }
}

/// Bytes: "16 B", "4 KiB".
pub fn bytes(value: f64) -> String {
    match value {
        ..1024.0 => format!("{value:.0} B"),
        ..1_048_576.0 => format!("{} KiB", trimmed(value / 1024.0)),
        _ => format!("{} MiB", trimmed(value / 1_048_576.0)),
    }
}

/// Nanoseconds, in the unit that suits: "5 ns", "20 µs".
pub fn time(ns: f64) -> String {
    match ns {
        ..1e3 => format!("{} ns", trimmed(ns)),
        ..1e6 => format!("{} µs", trimmed(ns / 1e3)),
        _ => format!("{} ms", trimmed(ns / 1e6)),
    }
}

/// A count: "10", "1,000".
pub fn count(value: f64) -> String {
    match value {
        ..1000.0 => trimmed(value),
        _ => format!("{},{:03}", (value / 1e3) as u64, value as u64 % 1000),
    }
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

const FONT: &str = "sans-serif";
const INK: RGBColor = RGBColor(0x24, 0x29, 0x2f);
const GREY: RGBColor = RGBColor(0x6e, 0x77, 0x81);
const PALE: RGBColor = RGBColor(0xe4, 0xe7, 0xeb);
/// The line of the first series with emphasis; the others take the colours from the end.
const STRONG: [RGBColor; 4] = [
    RGBColor(0xd6, 0x27, 0x28),
    RGBColor(0xff, 0x7f, 0x0e),
    RGBColor(0x9a, 0x11, 0x50),
    RGBColor(0xb8, 0x5c, 0x00),
];
/// Colours for all others. They are told apart by people with colour blindness as well as so many
/// can be; the names at the ends of the lines tell the rest.
const COLOURS: [RGBColor; 12] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0x8c, 0x56, 0xa8),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x7f, 0x7f, 0x00),
    RGBColor(0x4d, 0x4d, 0x4d),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0x17, 0xa5, 0xb5),
    RGBColor(0x6b, 0x8e, 0x23),
    RGBColor(0x3b, 0x4c, 0xc0),
    RGBColor(0x8b, 0x6f, 0x47),
    RGBColor(0xa0, 0xa0, 0xa0),
];

/// A name keeps its colour as long as the same names are drawn in the same order.
fn colours(emphasis: impl Iterator<Item = bool>) -> Vec<RGBColor> {
    let (mut strong, mut other) = (0, 0);
    let colour = |emphasis| {
        let (colours, at) = match emphasis {
            true => (&STRONG[..], &mut strong),
            false => (&COLOURS[..], &mut other),
        };
        *at += 1;
        colours[(*at - 1) % colours.len()]
    };
    emphasis.map(colour).collect()
}

/// Draws lines over two logarithmic axes. Each line has its name at its right end.
pub fn lines(path: &Path, title: &str, x: &Axis, y: &Axis, series: &[Series]) -> Outcome {
    let series: Vec<Series> = series.iter().filter_map(drawable).collect();
    let points = || series.iter().flat_map(|it| &it.points);
    let Some(((x0, x1), (y0, y1))) = range(points().map(|p| p.0)).zip(range(points().map(|p| p.1)))
    else {
        return Err(format!("{}: there is nothing to draw", path.display()).into());
    };
    let names = series.iter().map(|it| it.name.chars().count());
    let legend = 24 + 8 * names.max().unwrap_or(0) as u32;
    let (width, height) = (640 + legend, 540.max(100 + 18 * series.len() as u32));

    let root = SVGBackend::new(path, (width, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let root = titled(&root, title)?;
    let mut chart = ChartBuilder::on(&root)
        .margin_top(8)
        .margin_right(legend)
        .x_label_area_size(48)
        .y_label_area_size(76)
        .build_cartesian_2d(Scale::new(x, x0..x1), Scale::new(y, y0 / 1.15..y1 * 1.15))?;
    chart
        .configure_mesh()
        .x_desc(&*x.label)
        .y_desc(&*y.label)
        .max_light_lines(0)
        .bold_line_style(PALE)
        .axis_style(GREY)
        .label_style((FONT, 13, &INK))
        .axis_desc_style((FONT, 14, &INK))
        .draw()?;

    let colours = colours(series.iter().map(|it| it.emphasis));
    let mut ends = Vec::new();
    // Those with emphasis last, so that they lie above the others.
    let mut order: Vec<usize> = (0..series.len()).collect();
    order.sort_by_key(|&at| series[at].emphasis);
    for at in order {
        let (
            Series {
                name,
                points,
                emphasis,
            },
            colour,
        ) = (&series[at], colours[at]);
        let points = points.iter().copied();
        let stroke = colour.stroke_width(if *emphasis { 4 } else { 2 });
        chart.draw_series(LineSeries::new(points.clone(), stroke))?;
        let radius = if *emphasis { 5 } else { 3 };
        let mark = |at| Circle::new(at, radius, colour.filled());
        chart.draw_series(points.clone().map(mark))?;
        if let Some(end) = points.last() {
            ends.push((chart.backend_coord(&end), name, colour, *emphasis));
        }
    }
    let right = chart.plotting_area().get_x_axis_pixel_range().end;
    drop(chart);
    legend_at(&root, right, ends)?;
    root.present()?;
    Ok(())
}

/// The names at the ends of the lines, moved apart where they would overlap.
fn legend_at(
    root: &Area,
    right: i32,
    mut ends: Vec<((i32, i32), &String, RGBColor, bool)>,
) -> Outcome {
    const STEP: i32 = 17;
    // `backend_coord` counts from the corner of the whole picture.
    let (left, top) = root.get_base_pixel();
    let (_, height) = root.dim_in_pixel();
    ends.sort_by_key(|((_, y), ..)| *y);
    let mut places: Vec<i32> = ends.iter().map(|((_, y), ..)| *y - top).collect();
    // Down from the top, then up from the bottom.
    for at in 1..places.len() {
        places[at] = places[at].max(places[at - 1] + STEP);
    }
    let mut lowest = height as i32 - 40;
    for place in places.iter_mut().rev() {
        *place = (*place).min(lowest);
        lowest = *place - STEP;
    }
    for (((x, y), name, colour, emphasis), place) in ends.into_iter().zip(places) {
        let (x, y, edge) = (x - left, y - top, right - left);
        root.draw(&PathElement::new(
            vec![(x + 4, y), (edge + 6, place), (edge + 14, place)],
            colour.mix(0.6),
        ))?;
        let style = match emphasis {
            true => FontDesc::new(FontFamily::SansSerif, 14.0, FontStyle::Bold),
            false => FontDesc::new(FontFamily::SansSerif, 13.0, FontStyle::Normal),
        };
        let style = style.color(&colour).pos(Pos::new(HPos::Left, VPos::Center));
        root.draw(&Text::new(name.clone(), (edge + 18, place), style))?;
    }
    Ok(())
}

/// One bar of a plot.
#[derive(Debug, Clone)]
pub struct Bar {
    pub name: String,
    /// Positive. A bar without a value, or with 0, shows its name and a 0.
    pub value: f64,
    pub emphasis: bool,
}

/// Draws horizontal bars over a logarithmic axis, in the given order. The values stand at their
/// ends.
pub fn bars(path: &Path, title: &str, x: &Axis, bars: &[Bar]) -> Outcome {
    let Some((low, high)) = range(bars.iter().map(|it| it.value)) else {
        return Err(format!("{}: there is nothing to draw", path.display()).into());
    };
    let (low, high) = (low / 2.0, high * 1.2);
    let names = bars.iter().map(|it| it.name.chars().count());
    let left = 16 + 8 * names.max().unwrap_or(0) as u32;
    let (width, height) = (560 + left, 110 + 26 * bars.len() as u32);
    let root = SVGBackend::new(path, (width, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let root = titled(&root, title)?;
    let mut chart = ChartBuilder::on(&root)
        .margin_top(8)
        .margin_right(90)
        .x_label_area_size(48)
        .y_label_area_size(left)
        .build_cartesian_2d(Scale::new(x, low..high), 0.0..bars.len() as f64)?;
    chart
        .configure_mesh()
        .x_desc(&*x.label)
        .max_light_lines(0)
        .disable_y_mesh()
        .disable_y_axis()
        .bold_line_style(PALE)
        .axis_style(GREY)
        .label_style((FONT, 13, &INK))
        .axis_desc_style((FONT, 14, &INK))
        .draw()?;
    let row = 26;
    for (at, bar) in bars.iter().enumerate() {
        let value = if bar.value > 0.0 { bar.value } else { low };
        let middle = (bars.len() - at) as f64 - 0.5;
        let (end, y) = chart.backend_coord(&(value, middle));
        let (start, _) = chart.backend_coord(&(low, middle));
        let (dx, dy) = root.get_base_pixel();
        let (start, end, y) = (start - dx, end - dx, y - dy);
        let colour = if bar.emphasis { STRONG[0] } else { COLOURS[0] };
        let corners = [(start, y - row / 2 + 4), (end, y + row / 2 - 4)];
        root.draw(&Rectangle::new(corners, colour.filled()))?;
        let weight = if bar.emphasis {
            FontStyle::Bold
        } else {
            FontStyle::Normal
        };
        let font = || FontDesc::new(FontFamily::SansSerif, 13.0, weight).color(&INK);
        let name = font().pos(Pos::new(HPos::Right, VPos::Center));
        root.draw(&Text::new(bar.name.clone(), (start - 8, y), name))?;
        let number = font().pos(Pos::new(HPos::Left, VPos::Center));
        let text = (x.format)(bar.value.max(0.0));
        root.draw(&Text::new(text, (end + 6, y), number))?;
    }
    drop(chart);
    root.present()?;
    Ok(())
}

fn titled<'a>(root: &Area<'a>, title: &str) -> Result<Area<'a>, Box<dyn Error>> {
    let font = FontDesc::new(FontFamily::SansSerif, 18.0, FontStyle::Bold).color(&INK);
    root.draw(&Text::new(title.to_owned(), (16, 14), font))?;
    Ok(root.margin(40, 4, 4, 4))
}

fn drawable(series: &Series) -> Option<Series> {
    let mut series = series.clone();
    let positive = |it: f64| it.is_finite() && it > 0.0;
    series.points.retain(|p| positive(p.0) && positive(p.1));
    series.points.sort_by(|a, b| a.0.total_cmp(&b.0));
    (!series.points.is_empty()).then_some(series)
}

/// The smallest and the largest positive value, a little apart.
fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (low, high) = values
        .filter(|it| it.is_finite() && *it > 0.0)
        .fold((f64::MAX, 0.0_f64), |(low, high), it| {
            (low.min(it), high.max(it))
        });
    (high > 0.0).then_some((low, high.max(low * 1.1)))
}

/// A logarithmic axis with numbers at chosen places.
struct Scale {
    range: Range<f64>,
    ticks: Vec<f64>,
    format: fn(f64) -> String,
}

impl Scale {
    fn new(axis: &Axis, range: Range<f64>) -> Self {
        let mut ticks = axis.ticks.clone();
        if ticks.is_empty() {
            let steps: &[f64] = match (range.end / range.start).log10() {
                ..2.5 => &[1.0, 2.0, 5.0],
                ..4.0 => &[1.0, 3.0],
                _ => &[1.0],
            };
            let decades = range.start.log10().floor() as i32..=range.end.log10().ceil() as i32;
            ticks = decades
                .flat_map(|exponent| steps.iter().map(move |step| step * 10_f64.powi(exponent)))
                .collect();
        }
        ticks.retain(|it| (range.start * 0.999..=range.end * 1.001).contains(it));
        Self {
            range,
            ticks,
            format: axis.format,
        }
    }
}

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (first, last): (i32, i32)) -> i32 {
        let (low, high) = (self.range.start.ln(), self.range.end.ln());
        let at = (value.ln() - low) / (high - low);
        first + (at * f64::from(last - first)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Scale {
    fn format_ext(&self, value: &f64) -> String {
        (self.format)(*value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(bytes(16.0), "16 B");
        assert_eq!(bytes(4096.0), "4 KiB");
        assert_eq!(bytes(1_048_576.0), "1 MiB");
        assert_eq!(time(2.5), "2.5 ns");
        assert_eq!(time(20_000.0), "20 µs");
        assert_eq!(count(10_000.0), "10,000");
    }

    #[test]
    fn ticks_are_round_numbers_inside_of_the_range() {
        let scale = Scale::new(&Axis::new("", time), 3.0..130.0);
        assert_eq!(scale.ticks, [5.0, 10.0, 20.0, 50.0, 100.0]);
    }

    #[test]
    fn a_plot_shows_each_name() {
        let path = std::env::temp_dir().join(format!("peers-plot-{}.svg", std::process::id()));
        let series = |name: &str, emphasis| Series {
            name: name.to_owned(),
            points: vec![(16.0, 5.0), (4096.0, 160.0), (65_536.0, f64::NAN)],
            emphasis,
        };
        let (x, y) = (Axis::new("size", bytes), Axis::new("time", time));
        lines(
            &path,
            "title",
            &x,
            &y,
            &[series("one", true), series("two", false)],
        )
        .unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        for needle in ["title", "one", "two", "size", "time", "50 ns"] {
            assert!(text.contains(needle), "{needle} is missing");
        }
        std::fs::remove_file(&path).unwrap();
    }
}
