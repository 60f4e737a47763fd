//! A chart of measured points as SVG: a line, its points with their figures, one level to compare with.

use std::fmt::Write as _;

/// What is drawn. The vertical axis goes from 0 to 100.
pub struct Chart<'a> {
    /// Above it.
    pub title: &'a str,
    /// Under the horizontal axis.
    pub x: &'a str,
    /// The unit of the vertical axis.
    pub y: &'a str,
    /// The points, from left to right; their distances are those of the logarithms of x.
    pub points: &'a [(f64, f64)],
    /// A level to compare with, and what it is.
    pub line: (f64, &'a str),
    /// A place on the horizontal axis, and what is there.
    pub mark: (f64, &'a str),
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 690.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 300.0;

impl Chart<'_> {
    fn at(&self, x: f64) -> f64 {
        let ends = |pick: fn(f64, f64) -> f64, from: f64| self.points.iter().map(|(x, _)| *x).fold(from, pick);
        let (least, most) = (ends(f64::min, f64::MAX).ln(), ends(f64::max, f64::MIN).ln());
        LEFT + 20.0 + (x.ln() - least) / (most - least) * (RIGHT - LEFT - 40.0)
    }

    /// The picture.
    pub fn svg(&self) -> String {
        let height = |y: f64| BOTTOM - y / 100.0 * (BOTTOM - TOP);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
             font-size=\"12\" fill=\"#333\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
             <text x=\"{LEFT}\" y=\"28\" font-size=\"15\">{}</text>\n",
            self.title
        );
        for step in 0..=5 {
            let percent = f64::from(step) * 20.0;
            let y = height(percent);
            let _ = writeln!(
                out,
                "<path d=\"M{LEFT} {y:.1}H{RIGHT}\" stroke=\"#ddd\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{percent} {}</text>",
                LEFT - 6.0,
                y + 4.0,
                self.y
            );
        }
        let (mark, what) = (self.at(self.mark.0), self.mark.1);
        let _ = writeln!(
            out,
            "<path d=\"M{mark:.1} {TOP}V{BOTTOM}\" stroke=\"#999\" stroke-dasharray=\"2 4\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"#777\">{what}</text>",
            mark + 5.0,
            BOTTOM - 8.0
        );
        let (level, what) = (height(self.line.0), self.line.1);
        let _ = writeln!(
            out,
            "<path d=\"M{LEFT} {level:.1}H{RIGHT}\" stroke=\"#c60\" stroke-dasharray=\"6 4\"/>\
             <text x=\"{RIGHT}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#c60\">{what}: {:.1} {}</text>",
            level - 6.0,
            self.line.0,
            self.y
        );
        let line: Vec<String> =
            self.points.iter().map(|(x, y)| format!("{:.1} {:.1}", self.at(*x), height(*y))).collect();
        let _ = writeln!(out, "<path d=\"M{}\" fill=\"none\" stroke=\"#06c\" stroke-width=\"2\"/>", line.join("L"));
        for (x, y) in self.points {
            let (across, up) = (self.at(*x), height(*y));
            let _ = writeln!(
                out,
                "<circle cx=\"{across:.1}\" cy=\"{up:.1}\" r=\"3.5\" fill=\"#06c\"/>\
                 <text x=\"{across:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{y:.1}</text>\
                 <text x=\"{across:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{x}</text>",
                up - 8.0,
                BOTTOM + 18.0
            );
        }
        let _ = writeln!(
            out,
            "<text x=\"{RIGHT}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n</svg>",
            BOTTOM + 42.0,
            self.x
        );
        out
    }
}
