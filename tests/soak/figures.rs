//! Percentiles, and a plot.

use std::fmt::Write as _;
use std::time::Duration;

/// `median 0.41 ms, 99 % within 2.30 ms, longest 12.00 ms`
pub(crate) fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |part: f64| {
        let place = (times.len() as f64 * part) as usize;
        let time = times.get(place.min(times.len().saturating_sub(1)));
        time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    };
    format!(
        "median {:.2} ms, 95 % within {:.2} ms, 99 % within {:.2} ms, longest {:.2} ms",
        at(0.5),
        at(0.95),
        at(0.99),
        at(1.0)
    )
}

/// Memory over time as an SVG image. `marks` are spans of time that are shaded, with names.
pub(crate) fn plot(title: &str, samples: &[(f64, u64)], marks: &[(f64, f64, &str)]) -> String {
    const WIDTH: f64 = 720.0;
    const HEIGHT: f64 = 300.0;
    const LEFT: f64 = 60.0;
    const RIGHT: f64 = 20.0;
    const TOP: f64 = 44.0;
    const BOTTOM: f64 = 44.0;
    let end = samples.last().map_or(1.0, |sample| sample.0).max(1.0);
    let most = samples.iter().map(|sample| sample.1).max().unwrap_or(0) as f64 / 1024.0;
    // Five lines at round numbers of MiB.
    let step = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0];
    let step = step.into_iter().find(|step| step * 5.0 >= most).unwrap_or(500.0);
    let top = step * 5.0;
    let x = |seconds: f64| LEFT + seconds / end * (WIDTH - LEFT - RIGHT);
    let y = |mib: f64| HEIGHT - BOTTOM - mib / top * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"14\" fill=\"#222222\">{title}</text>\n"
    );
    for (from, to, name) in marks {
        let (from, to) = (x(*from), x(*to));
        let _ = writeln!(
            svg,
            "<rect x=\"{from:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#f6d5c8\"/>\n\
             <text x=\"{from:.1}\" y=\"{:.1}\" fill=\"#a33b12\">{name}</text>",
            (to - from).max(1.0),
            HEIGHT - TOP - BOTTOM,
            TOP - 5.0
        );
    }
    for line in 0..=5 {
        let mib = step * f64::from(line);
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#dddddd\"/>\n\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#555555\">{mib}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            y(mib) + 4.0,
            y = y(mib)
        );
    }
    for tick in 0..=6 {
        let seconds = end / 6.0 * f64::from(tick);
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\" fill=\"#555555\">{seconds:.0} s</text>",
            x(seconds),
            HEIGHT - BOTTOM + 18.0
        );
    }
    let points: Vec<_> = samples
        .iter()
        .map(|(seconds, kib)| format!("{:.1},{:.1}", x(*seconds), y(*kib as f64 / 1024.0)))
        .collect();
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#2a5db0\" stroke-width=\"1.5\"/>\n\
</svg>",
        points.join(" ")
    );
    svg
}
