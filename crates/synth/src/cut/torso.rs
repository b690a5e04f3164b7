//! What covers the trunk: tops, outerwear, dresses.

use super::{Cut, Fill, Finish, Frame, Maker, Part, Pleats};
use crate::colour;
use crate::draw::ViewKind;
use crate::outline::{Path, Pt, lerp2, rounded};

/// How the neck is cut.
#[derive(Clone, Copy, PartialEq)]
enum Neck {
    Round,
    Vee,
    Boat,
    Straps,
}

/// What goes around the neck.
#[derive(Clone, Copy, PartialEq)]
enum Collar {
    None,
    Rib,
    Shirt,
    Lapel,
    Stand,
    Hood,
    Roll,
}

/// What closes the front.
#[derive(Clone, Copy, PartialEq)]
enum Front {
    Plain,
    Placket,
    HalfPlacket,
    Zip,
    Buttons,
}

struct Sleeve {
    length: f32,
    cuff: f32,
    /// Extra width half way down: blouses and puffers.
    puff: f32,
}

struct Shape {
    neck: Neck,
    neck_half: f32,
    neck_depth: f32,
    shoulder: f32,
    chest: f32,
    waist: f32,
    hem: f32,
    length: f32,
    /// How much lower (positive) the hem's middle is than its sides.
    hem_dip: f32,
    sleeve: Option<Sleeve>,
    collar: Collar,
    front: Front,
    ribbed: bool,
    fold: f32,
}

pub(super) fn make(m: &mut Maker, cut: Cut) {
    let r = &mut m.rng;
    let wide = r.range(-0.015, 0.03);
    let mut s = Shape {
        neck: Neck::Round,
        neck_half: r.range(0.08, 0.1),
        neck_depth: r.range(0.07, 0.11),
        shoulder: 0.205 + wide,
        chest: 0.25 + wide,
        waist: 0.245 + wide,
        hem: 0.25 + wide,
        length: r.range(0.6, 0.7),
        hem_dip: r.range(0.0, 0.015),
        sleeve: Some(Sleeve { length: r.range(0.18, 0.25), cuff: r.range(0.16, 0.2), puff: 0.0 }),
        collar: Collar::Rib,
        front: Front::Plain,
        ribbed: false,
        fold: 0.55,
    };
    let long = Sleeve { length: r.range(0.55, 0.6), cuff: r.range(0.09, 0.12), puff: 0.0 };
    let quarter = r.range(0.0, 1.0);
    match cut {
        Cut::Tee => {
            if r.chance(0.25) {
                s.neck = Neck::Vee;
                s.neck_depth = r.range(0.14, 0.19);
            }
            if r.chance(0.2) {
                s.length = r.range(0.44, 0.52);
            }
        }
        Cut::LongSleeve => {
            s.sleeve = Some(long);
            if r.chance(0.3) {
                s.neck = Neck::Boat;
                s.neck_half = 0.14;
                s.neck_depth = 0.05;
            }
        }
        Cut::Tank => {
            s.sleeve = None;
            s.neck = Neck::Straps;
            s.neck_half = r.range(0.09, 0.115);
            s.neck_depth = r.range(0.13, 0.18);
            s.shoulder = s.neck_half + r.range(0.03, 0.06);
            s.chest -= 0.02;
            s.waist -= 0.02;
        }
        Cut::Shirt => {
            s.collar = Collar::Shirt;
            s.front = Front::Placket;
            s.neck_depth = 0.085;
            s.hem_dip = r.range(0.03, 0.06);
            s.length = r.range(0.68, 0.76);
            if quarter > 0.3 {
                s.sleeve = Some(long);
            }
        }
        Cut::Polo => {
            s.collar = Collar::Shirt;
            s.front = Front::HalfPlacket;
            s.neck_depth = 0.085;
        }
        Cut::Blouse => {
            s.collar = r.pick(&[Collar::None, Collar::Shirt, Collar::Roll]);
            s.front = r.pick(&[Front::Plain, Front::Placket, Front::HalfPlacket]);
            s.waist -= r.range(0.0, 0.04);
            s.sleeve = Some(Sleeve {
                length: r.range(0.32, 0.56),
                cuff: r.range(0.1, 0.15),
                puff: r.range(0.02, 0.05),
            });
            if s.collar == Collar::None && r.chance(0.6) {
                s.neck = Neck::Vee;
                s.neck_depth = r.range(0.13, 0.2);
            }
            s.fold = 0.8;
        }
        Cut::Sweater => {
            s.sleeve = Some(Sleeve { length: 0.57, cuff: r.range(0.11, 0.14), puff: 0.01 });
            s.collar = r.pick(&[Collar::Rib, Collar::Rib, Collar::Roll]);
            if s.collar == Collar::Rib && r.chance(0.3) {
                s.neck = Neck::Vee;
                s.neck_depth = 0.16;
            }
            s.ribbed = true;
            s.fold = 0.45;
            s.chest += 0.015;
        }
        Cut::Hoodie => {
            s.sleeve = Some(Sleeve { length: 0.58, cuff: 0.12, puff: 0.012 });
            s.collar = Collar::Hood;
            s.front = if r.chance(0.4) { Front::Zip } else { Front::Plain };
            s.neck_half = 0.1;
            s.neck_depth = 0.1;
            s.ribbed = true;
            s.chest += 0.02;
            s.waist += 0.02;
            s.hem += 0.01;
        }
        Cut::Bomber => {
            s.sleeve = Some(Sleeve { length: 0.58, cuff: 0.13, puff: 0.02 });
            s.collar = Collar::Stand;
            s.front = if r.chance(0.75) { Front::Zip } else { Front::Buttons };
            s.ribbed = true;
            s.chest += 0.03;
            s.waist += 0.03;
            s.length = r.range(0.56, 0.66);
            s.neck_depth = 0.07;
        }
        Cut::Blazer => {
            s.sleeve = Some(Sleeve { length: 0.6, cuff: 0.14, puff: 0.0 });
            s.collar = Collar::Lapel;
            s.front = Front::Buttons;
            s.neck = Neck::Vee;
            s.neck_depth = r.range(0.27, 0.36);
            s.waist -= 0.02;
            s.length = r.range(0.7, 0.78);
            s.fold = 0.3;
        }
        Cut::Coat => {
            s.sleeve = Some(Sleeve { length: 0.61, cuff: 0.15, puff: 0.0 });
            s.collar = Collar::Lapel;
            s.front = Front::Buttons;
            s.neck = Neck::Vee;
            s.neck_depth = r.range(0.2, 0.3);
            s.chest += 0.03;
            s.waist += 0.02;
            s.hem += r.range(0.04, 0.08);
            s.length = r.range(0.95, 1.18);
            s.fold = 0.4;
        }
        Cut::Puffer => {
            s.sleeve = Some(Sleeve { length: 0.59, cuff: 0.14, puff: 0.035 });
            s.collar = if r.chance(0.5) { Collar::Stand } else { Collar::Hood };
            s.front = Front::Zip;
            s.chest += 0.045;
            s.waist += 0.045;
            s.hem += 0.03;
            s.neck_depth = 0.06;
            s.fold = 0.2;
        }
        Cut::Sheath => {
            s.sleeve = if quarter < 0.4 {
                None
            } else {
                Some(Sleeve { length: r.range(0.1, 0.4), cuff: 0.15, puff: 0.0 })
            };
            s.collar = Collar::None;
            s.chest = 0.225;
            s.waist = r.range(0.175, 0.2);
            s.hem = r.range(0.2, 0.24);
            s.length = r.range(0.88, 1.05);
        }
        Cut::FlaredDress => {
            s.sleeve = if quarter < 0.4 {
                None
            } else {
                Some(Sleeve { length: r.range(0.12, 0.5), cuff: 0.14, puff: 0.025 })
            };
            s.neck = r.pick(&[Neck::Round, Neck::Vee, Neck::Boat]);
            s.neck_depth = if s.neck == Neck::Vee { 0.18 } else { 0.1 };
            s.collar = Collar::None;
            s.chest = 0.22;
            s.waist = r.range(0.165, 0.185);
            s.hem = r.range(0.34, 0.48);
            s.length = r.range(0.9, 1.25);
            s.hem_dip = 0.03;
            s.fold = 0.75;
        }
        Cut::ShirtDress => {
            s.sleeve =
                Some(if quarter < 0.5 { Sleeve { length: 0.22, cuff: 0.17, puff: 0.0 } } else { long });
            s.collar = Collar::Shirt;
            s.front = Front::Placket;
            s.waist = r.range(0.2, 0.23);
            s.hem = r.range(0.27, 0.33);
            s.length = r.range(0.9, 1.12);
        }
        _ => {
            s.sleeve = None;
            s.neck = Neck::Straps;
            s.neck_half = 0.125;
            s.neck_depth = r.range(0.17, 0.22);
            s.shoulder = 0.137;
            s.chest = 0.215;
            s.waist = r.range(0.18, 0.2);
            s.hem = r.range(0.26, 0.36);
            s.length = r.range(0.95, 1.3);
            s.collar = Collar::None;
            s.fold = 0.8;
        }
    }
    sew(m, cut, &mut s);
}

fn sew(m: &mut Maker, cut: Cut, s: &mut Shape) {
    let ease = m.pose.ease();
    let back = m.pose.back();
    let folded = m.pose.kind == ViewKind::Folded;
    if back {
        s.neck_depth = 0.025;
        if s.neck == Neck::Vee {
            s.neck = Neck::Round;
        }
    }
    if folded {
        s.sleeve = None;
        s.shoulder = 0.165;
        s.chest = 0.172;
        s.waist = 0.172;
        s.hem = 0.172;
        s.length = if s.neck_depth > 0.2 { 0.44 } else { 0.37 };
        s.hem_dip = 0.0;
        for i in (0..2).rev() {
            let d = 0.006 * (i + 1) as f32;
            let mut under = Part::new(
                rounded(-0.176 + d, 0.06, 0.17 + d, s.length + 0.006 + d, 0.02),
                Fill::Inside(0.72),
            );
            under.shadow = 0.01;
            m.parts.push(under);
        }
    } else {
        s.shoulder *= if m.pose.worn() { 0.92 } else { 1.0 };
        s.chest *= ease;
        s.waist *= ease;
        s.hem *= if s.hem > 0.3 { 1.0 } else { ease };
        if m.pose.worn() {
            s.neck_half *= 0.86;
        }
    }
    let dress = cut.category() == crate::spec::Category::Dress;
    let top_y = 0.0;
    let (nx, sx) = (s.neck_half, s.shoulder);
    let slope = if s.neck == Neck::Straps { 0.005 } else { 0.045 };
    let tip: Pt = [sx, top_y + slope];
    let pit_y = if folded {
        0.1
    } else if s.sleeve.is_some() {
        0.235
    } else {
        0.225
    };
    let pit: Pt = [s.chest, pit_y];
    let frame = Frame { ex: [1.0 / if folded { 1.0 } else { ease }, 0.0], ..Frame::BODY };

    // The inside of the back, seen through the neck.
    let neck_low = s.neck_depth;
    if !m.pose.worn() && s.collar != Collar::Hood {
        let mut inside = Part::new(
            Path::new()
                .k(nx, top_y)
                .s(nx * 0.7, top_y + 0.014)
                .s(0.0, top_y + 0.022)
                .mirrored()
                .k(-nx, top_y + 0.01)
                .s(0.0, neck_low + 0.015)
                .k(nx, top_y + 0.01)
                .closed(),
            Fill::Inside(0.5),
        );
        inside.shadow = 0.0;
        if !back {
            m.parts.push(inside);
        }
    }
    if s.collar == Collar::Hood {
        hood(m, s, back);
    }

    // The front.
    let mut half = Path::new();
    half = match s.neck {
        Neck::Vee => half.k(0.0, neck_low).s(nx * 0.62, neck_low * 0.42).k(nx, top_y),
        Neck::Straps if s.shoulder - nx < 0.02 => {
            half.k(0.0, neck_low).s(nx * 0.6, neck_low - 0.028).k(nx - 0.004, neck_low - 0.05).k(nx, top_y)
        }
        Neck::Straps => {
            half.s(0.0, neck_low).s(nx * 0.7, neck_low * 0.82).s(nx * 0.96, neck_low * 0.4).k(nx, top_y)
        }
        _ => half.s(0.0, neck_low).s(nx * 0.62, neck_low * 0.72).k(nx, top_y),
    };
    half = half.k(tip[0], tip[1]);
    half = if s.neck == Neck::Straps && s.shoulder - nx < 0.02 {
        half.k(nx + 0.012, neck_low - 0.045).s(s.chest * 0.82, 0.17).k(pit[0], pit[1])
    } else if s.sleeve.is_some() {
        half.s(sx - 0.014, 0.12).k(pit[0], pit[1])
    } else if folded {
        half.s(sx + 0.004, 0.07)
    } else {
        half.s(sx - 0.01, 0.11).s(lerp2([sx, 0.0], pit, 0.45)[0], 0.185).k(pit[0], pit[1])
    };
    let waist_y = 0.42;
    if !folded {
        half = if dress && s.hem > s.waist + 0.1 {
            half.s(s.waist, waist_y)
                .s(s.waist + (s.hem - s.waist) * 0.28, waist_y + (s.length - waist_y) * 0.22)
        } else if dress {
            half.s(s.waist, waist_y).s(s.waist.max(0.19) + 0.012, 0.62)
        } else if s.length > 0.5 {
            half.s(s.waist, waist_y)
        } else {
            half
        };
    }
    let hem_y = s.length;
    half = half.k(s.hem, hem_y).s(s.hem * 0.5, hem_y + s.hem_dip * 0.8);
    half = half.s(0.0, hem_y + s.hem_dip);
    let outline = Path::mirrored(half).closed();

    if cut == Cut::Puffer && !folded {
        // Baffles: the front cut into bands, each round by itself.
        let n = 7;
        for i in 0..n {
            let (y0, y1) = (i as f32 / n as f32 * (hem_y + 0.02), (i + 1) as f32 / n as f32 * (hem_y + 0.02));
            let band = cut_band(&outline, y0, y1);
            if band.len() > 2 {
                m.parts.push(Part {
                    frame,
                    round: 0.035,
                    fold: 0.35,
                    shadow: 0.0,
                    id: 1,
                    ..Part::new(band, Fill::Cloth)
                });
            }
        }
    } else {
        let pleats = (dress && s.hem > s.waist + 0.1 && !folded).then_some(Pleats {
            n: 7.0,
            top: (waist_y, s.waist),
            bottom: (hem_y, s.hem),
            sharp: false,
        });
        m.parts.push(Part {
            frame,
            round: 0.035,
            fold: s.fold,
            printed: !back,
            pleats,
            id: if back { 2 } else { 1 },
            ..Part::new(outline, Fill::Cloth)
        });
    }

    // Sleeves lie over the body's side.
    if let Some(sleeve) = &s.sleeve {
        add_sleeves(m, sleeve, s, tip, pit, cut);
    }

    // Hem: a ribbed band, or a stitched edge.
    if s.ribbed && !folded && cut != Cut::Puffer {
        let y0 = hem_y - 0.05;
        let band = Path::new()
            .k(s.hem - 0.012, y0)
            .k(s.hem - 0.02, hem_y + 0.002)
            .s(0.0, hem_y + s.hem_dip + 0.002)
            .mirrored();
        let band = band.k(-s.hem + 0.012, y0).s(0.0, y0 + s.hem_dip).closed();
        let rib = m.rib();
        m.parts.push(Part { round: 0.016, shadow: 0.006, ..Part::new(band, rib) });
    } else if !folded {
        let y = hem_y - 0.022;
        let line = Path::new()
            .s(-s.hem + 0.01, y)
            .s(-s.hem * 0.5, y + s.hem_dip * 0.8)
            .s(0.0, y + s.hem_dip)
            .s(s.hem * 0.5, y + s.hem_dip * 0.8)
            .s(s.hem - 0.01, y)
            .open();
        m.stitch(&line);
    }
    if dress && matches!(cut, Cut::FlaredDress | Cut::ShirtDress) && !folded {
        let w = s.waist + 0.004;
        let line = Path::new().s(-w, waist_y).s(0.0, waist_y + 0.014).s(w, waist_y).open();
        if m.rng.chance(0.4) || cut == Cut::ShirtDress {
            let trim = m.trims[if m.rng.chance(0.5) { 4 } else { 2 }];
            let mut belt = Part::line(&line, 0.03, Fill::Plain(trim, Finish::Satin));
            belt.shadow = 0.008;
            belt.round = 0.01;
            m.parts.push(belt);
            let buckle = colour::srgb([200, 176, 120]);
            m.parts.push(Part::line(
                &[
                    [-0.018, waist_y - 0.004],
                    [0.018, waist_y - 0.004],
                    [0.018, waist_y + 0.03],
                    [-0.018, waist_y + 0.03],
                    [-0.018, waist_y - 0.004],
                ],
                0.005,
                Fill::Plain(buckle, Finish::Shiny),
            ));
        } else {
            m.seam(&line);
        }
    }
    if !back {
        front(m, s, cut, hem_y, ease, folded);
    } else if s.collar != Collar::Hood {
        let yoke = Path::new().s(-sx + 0.02, 0.1).s(0.0, 0.115).s(sx - 0.02, 0.1).open();
        if matches!(cut, Cut::Shirt | Cut::Blouse | Cut::ShirtDress) {
            m.seam(&yoke);
        }
    }
    collar(m, s, cut, back);
}

fn add_sleeves(m: &mut Maker, sleeve: &Sleeve, s: &Shape, tip: Pt, pit: Pt, cut: Cut) {
    let theta = m.pose.arm;
    let bend = theta + if sleeve.length > 0.3 { m.pose.elbow } else { 0.0 };
    let (d1, n1) = ([theta.sin(), theta.cos()], [theta.cos(), -theta.sin()]);
    let (d2, n2) = ([bend.sin(), bend.cos()], [bend.cos(), -bend.sin()]);
    let root = lerp2(tip, pit, 0.42);
    let upper = sleeve.length.min(0.3);
    let lower = sleeve.length - upper;
    let elbow = [root[0] + d1[0] * upper, root[1] + d1[1] * upper];
    let end = [elbow[0] + d2[0] * lower, elbow[1] + d2[1] * lower];
    let slim = if m.pose.worn() { 0.9 } else { 1.0 };
    let cuff = sleeve.cuff * 0.5 * slim;
    let mid = lerp2([0.1, 0.0], [cuff, 0.0], if lower > 0.0 { 0.45 } else { 1.0 })[0] * slim + sleeve.puff;
    let at = |c: Pt, n: Pt, w: f32| [c[0] + n[0] * w, c[1] + n[1] * w];
    let mut path = Path::new().k(tip[0] - 0.004, tip[1]);
    // The cap rounds off the shoulder.
    let cap = [tip[0] + 0.03 * theta.cos() + 0.028 * d1[0] + 0.006, tip[1] + 0.028];
    path = path.s(cap[0] + sleeve.puff * 0.7, cap[1] - sleeve.puff * 0.3);
    if lower > 0.02 {
        let (out, inn) = (at(elbow, n1, mid), at(elbow, n1, -mid));
        path = path.s(out[0], out[1]);
        if sleeve.puff > 0.015 {
            let low = lerp2(elbow, end, 0.75);
            let (o, i) = (at(low, n2, cuff + sleeve.puff), at(low, n2, -cuff - sleeve.puff));
            path = path.s(o[0], o[1]);
            let (a, b) = (at(end, n2, cuff), at(end, n2, -cuff));
            path = path.k(a[0], a[1]).k(b[0], b[1]).s(i[0], i[1]);
        } else {
            let (a, b) = (at(end, n2, cuff), at(end, n2, -cuff));
            path = path.k(a[0], a[1]).k(b[0], b[1]);
        }
        path = path.s(inn[0], inn[1]);
    } else {
        let (a, b) = (at(end, n2, cuff + 0.004), at(end, n2, -cuff));
        path = path.k(a[0], a[1]).k(b[0], b[1]);
    }
    path = path.k(pit[0] - 0.004, pit[1]).s(lerp2(tip, pit, 0.5)[0] - 0.02, lerp2(tip, pit, 0.5)[1]);
    let frame = Frame { o: root, ex: n1, ey: d1, at: [0.31, 0.08] };
    let outline = path.closed();
    let arm = Part {
        frame,
        round: 0.032,
        fold: s.fold * 1.1,
        lean: theta,
        shadow: 0.02,
        id: 3,
        ..Part::new(outline, Fill::Cloth)
    };
    m.both(arm);
    let cuff_line = |back: f32| {
        let c = [end[0] - d2[0] * back, end[1] - d2[1] * back];
        [at(c, n2, cuff), at(c, n2, -cuff)]
    };
    if s.ribbed {
        let [a, b] = cuff_line(0.055);
        let [c, d] = cuff_line(-0.004);
        let pinch = |p: Pt, q: Pt| lerp2(p, q, 0.08);
        let rib = m.rib();
        let band = vec![a, pinch(c, d), pinch(d, c), b];
        let frame = Frame { o: end, ex: n2, ey: d2, at: [0.0, 0.0] };
        m.both(Part { frame, round: 0.014, shadow: 0.005, ..Part::new(band, rib) });
    } else if matches!(cut, Cut::Shirt | Cut::Blouse | Cut::ShirtDress) && sleeve.length > 0.3 {
        let [a, b] = cuff_line(0.06);
        let [c, d] = cuff_line(-0.003);
        let frame = Frame { o: end, ex: n2, ey: d2, at: [0.2, 0.3] };
        m.both(Part { frame, round: 0.012, shadow: 0.008, ..Part::new(vec![a, c, d, b], Fill::Cloth) });
    } else if cut == Cut::Puffer {
        for i in 1..6 {
            let t = i as f32 / 6.0;
            let c = if t < 0.5 { lerp2(root, elbow, t * 2.0) } else { lerp2(elbow, end, t * 2.0 - 1.0) };
            let n = if t < 0.5 { n1 } else { n2 };
            let w = mid + 0.02;
            m.both(Part {
                round: 0.0,
                ..Part::line(&[at(c, n, w * 0.95), at(c, n, -w * 0.9)], 0.006, Fill::Inside(0.6))
            });
        }
    } else {
        let [a, b] = cuff_line(0.02);
        m.stitch(&[a, b]);
        let (a, b) = ([-a[0], a[1]], [-b[0], b[1]]);
        m.stitch(&[a, b]);
    }
}

fn front(m: &mut Maker, s: &Shape, cut: Cut, hem_y: f32, ease: f32, folded: bool) {
    let low = s.neck_depth;
    let bottom = hem_y + s.hem_dip - 0.002;
    let [_, second, accent, light, dark] = m.trims;
    let button = m.rng.pick(&[light, dark, second, light]);
    match s.front {
        Front::Plain => {}
        Front::Placket | Front::HalfPlacket => {
            let end = if s.front == Front::HalfPlacket { low + 0.16 } else { bottom };
            let w = 0.017;
            let frame = Frame { ex: [1.0 / ease, 0.0], ..Frame::BODY };
            let band = vec![[-w, low - 0.01], [w, low - 0.01], [w, end], [-w, end]];
            m.parts.push(Part {
                frame,
                round: 0.004,
                shadow: 0.006,
                printed: true,
                fold: s.fold,
                ..Part::new(band, Fill::Cloth)
            });
            m.stitch(&[[-w + 0.004, low], [-w + 0.004, end]]);
            let mut y = low + 0.03;
            while y < end - 0.02 {
                m.button(0.0, y, 0.0065, button);
                y += if s.front == Front::HalfPlacket { 0.055 } else { 0.088 };
            }
        }
        Front::Zip => {
            let metal = colour::srgb([150, 152, 156]);
            let tape = colour::scale(m.ground, 0.45);
            m.parts.push(Part {
                shadow: 0.006,
                ..Part::line(&[[0.0, low - 0.005], [0.0, bottom]], 0.016, Fill::Plain(tape, Finish::Dull))
            });
            m.parts.push(Part {
                contours: crate::outline::dashes(&[[0.0, low], [0.0, bottom]], 0.007, 0.004),
                shadow: 0.0,
                ..Part::new(Vec::new(), Fill::Plain(metal, Finish::Shiny))
            });
            let mut pull = Part::new(
                rounded(-0.006, low + 0.02, 0.006, low + 0.055, 0.004),
                Fill::Plain(metal, Finish::Shiny),
            );
            pull.shadow = 0.006;
            m.parts.push(pull);
        }
        Front::Buttons => {
            let double = cut == Cut::Coat && m.rng.chance(0.5);
            m.seam(&[[0.012, low], [0.012, bottom]]);
            let n = if cut == Cut::Blazer { 2 } else { 4 };
            for i in 0..n {
                let y = low + 0.03 + i as f32 * 0.11;
                if y < bottom - 0.08 && !folded {
                    m.button(-0.012, y, 0.012, if cut == Cut::Bomber { accent } else { dark });
                    if double {
                        m.button(0.1, y, 0.012, dark);
                        m.button(-0.1, y, 0.012, dark);
                    }
                }
            }
        }
    }
    // Pockets.
    let k = ease;
    match cut {
        Cut::Shirt | Cut::ShirtDress if m.rng.chance(0.75) => {
            let (x0, x1, y0, y1) = (0.07 * k, 0.165 * k, 0.2, 0.31);
            let pocket = if folded {
                None
            } else {
                Some([[x0, y0], [x1, y0], [x1, y1 - 0.015], [(x0 + x1) * 0.5, y1], [x0, y1 - 0.015]])
            };
            if let Some(p) = pocket {
                m.parts.push(Part { round: 0.004, shadow: 0.006, ..Part::new(p.to_vec(), Fill::Cloth) });
                m.stitch(&[[x0, y0 + 0.018], [x1, y0 + 0.018]]);
            }
        }
        Cut::Tee if m.rng.chance(0.15) && !folded => {
            let p = vec![[0.07 * k, 0.17], [0.15 * k, 0.17], [0.15 * k, 0.26], [0.07 * k, 0.26]];
            m.parts.push(Part { round: 0.004, shadow: 0.006, ..Part::new(p, Fill::Cloth) });
        }
        Cut::Hoodie if !folded => {
            let (y0, y1) = (hem_y - 0.25, hem_y - 0.06);
            let w = 0.16 * k;
            let half = |sign: f32| {
                vec![
                    [0.004 * sign, y0],
                    [sign * w * 0.62, y0],
                    [sign * w, y1 - 0.05],
                    [sign * w, y1],
                    [0.004 * sign, y1],
                ]
            };
            for sign in [1.0, -1.0] {
                m.parts.push(Part {
                    round: 0.006,
                    shadow: 0.012,
                    fold: 0.4,
                    ..Part::new(half(sign), Fill::Cloth)
                });
                m.stitch(&[[sign * (w * 0.62 - 0.008), y0 + 0.008], [sign * (w - 0.008), y1 - 0.05]]);
            }
        }
        Cut::Bomber | Cut::Puffer if !folded => {
            for sign in [1.0, -1.0] {
                m.parts.push(Part {
                    shadow: 0.005,
                    ..Part::line(
                        &[[sign * 0.11 * k, hem_y - 0.2], [sign * 0.15 * k, hem_y - 0.08]],
                        0.012,
                        Fill::Inside(0.55),
                    )
                });
            }
        }
        Cut::Blazer | Cut::Coat if !folded => {
            let y = if cut == Cut::Coat { 0.62 } else { 0.5 };
            for sign in [1.0, -1.0] {
                let (a, b) = (sign * 0.075 * k, sign * 0.19 * k);
                let flap = vec![[a, y], [b, y - 0.004], [b, y + 0.05], [a, y + 0.054]];
                m.parts.push(Part { round: 0.006, shadow: 0.008, ..Part::new(flap, Fill::Cloth) });
            }
            m.parts.push(Part {
                shadow: 0.003,
                ..Part::line(&[[0.09 * k, 0.235], [0.165 * k, 0.222]], 0.014, Fill::Inside(0.85))
            });
        }
        _ => {}
    }
}

fn collar(m: &mut Maker, s: &Shape, cut: Cut, back: bool) {
    let (nx, low) = (s.neck_half, s.neck_depth);
    let around = |drop: f32| match s.neck {
        Neck::Vee => Path::new()
            .k(-nx, 0.0)
            .s(-nx * 0.62, low * 0.42)
            .k(0.0, low + drop)
            .s(nx * 0.62, low * 0.42)
            .k(nx, 0.0)
            .open(),
        Neck::Straps => Path::new()
            .k(-nx, 0.0)
            .s(-nx * 0.96, low * 0.4)
            .s(-nx * 0.7, low * 0.82)
            .s(0.0, low + drop)
            .s(nx * 0.7, low * 0.82)
            .s(nx * 0.96, low * 0.4)
            .k(nx, 0.0)
            .open(),
        _ => Path::new()
            .k(-nx, 0.0)
            .s(-nx * 0.62, low * 0.72)
            .s(0.0, low + drop)
            .s(nx * 0.62, low * 0.72)
            .k(nx, 0.0)
            .open(),
    };
    match s.collar {
        Collar::None => m.stitch(&around(0.008)),
        Collar::Rib => {
            let rib = if m.rng.chance(0.3) { Fill::Plain(m.trims[1], Finish::Rib) } else { m.rib() };
            let mut band = Part::line(&around(0.0), if cut == Cut::Tank { 0.016 } else { 0.024 }, rib);
            band.shadow = 0.006;
            band.round = 0.008;
            m.parts.push(band);
        }
        Collar::Roll => {
            let roll = Path::new()
                .s(nx + 0.008, 0.012)
                .s(nx * 0.93, -0.06)
                .s(0.0, -0.072)
                .mirrored()
                .s(0.0, low * 0.55 + 0.02)
                .closed();
            m.parts.push(Part {
                round: 0.03,
                shadow: 0.014,
                fold: 0.5,
                frame: Frame { at: [0.1, 0.5], ..Frame::BODY },
                ..Part::new(roll, Fill::Cloth)
            });
            let line = Path::new().s(-nx * 0.9, -0.018).s(0.0, 0.004).s(nx * 0.9, -0.018).open();
            m.seam(&line);
        }
        Collar::Stand => {
            let rib = m.rib();
            let band = Path::new()
                .k(nx + 0.006, 0.006)
                .s(nx * 0.94, -0.035)
                .s(0.0, -0.03)
                .mirrored()
                .s(0.0, low + 0.004)
                .closed();
            let behind =
                Path::new().s(nx * 0.86, -0.03).s(0.0, -0.022).mirrored().s(0.0, -0.002 + low * 0.5).closed();
            m.parts.push(Part { round: 0.016, shadow: 0.008, ..Part::new(band, rib) });
            if !back && !m.pose.worn() {
                m.parts.push(Part { shadow: 0.0, ..Part::new(behind, Fill::Inside(0.4)) });
            }
        }
        Collar::Shirt => {
            let fill = if m.rng.chance(0.15) { Fill::Plain(m.trims[3], Finish::Dull) } else { Fill::Cloth };
            let frame = Frame { o: [0.0, 0.0], ex: [0.8, 0.6], ey: [-0.6, 0.8], at: [0.05, 0.4] };
            if back {
                let band = Path::new()
                    .k(nx + 0.012, 0.008)
                    .s(nx * 0.9, -0.032)
                    .s(0.0, -0.038)
                    .mirrored()
                    .s(0.0, 0.036)
                    .closed();
                m.parts.push(Part { frame, round: 0.014, shadow: 0.01, ..Part::new(band, fill) });
                return;
            }
            let stand = Path::new()
                .k(nx + 0.004, 0.004)
                .s(nx * 0.9, -0.034)
                .s(0.0, -0.026)
                .mirrored()
                .s(0.0, 0.012)
                .closed();
            if !m.pose.worn() {
                m.parts.push(Part { frame, shadow: 0.004, ..Part::new(stand, Fill::Inside(0.72)) });
            }
            let point = m.rng.range(0.07, 0.1);
            let wing = Path::new()
                .k(nx * 0.88, -0.036)
                .s(nx + 0.014, -0.006)
                .k(nx + 0.022, 0.03)
                .k(point * 0.75, low + 0.055)
                .k(0.004, low - 0.004)
                .s(nx * 0.55, 0.02)
                .closed();
            m.both(Part { frame, round: 0.012, shadow: 0.014, ..Part::new(wing, fill) });
        }
        Collar::Lapel => {
            let frame = Frame { o: [0.0, 0.0], ex: [0.94, -0.34], ey: [0.34, 0.94], at: [0.1, 0.2] };
            if back {
                let band = Path::new()
                    .k(nx + 0.012, 0.01)
                    .s(nx * 0.9, -0.03)
                    .s(0.0, -0.034)
                    .mirrored()
                    .s(0.0, 0.035)
                    .closed();
                m.parts.push(Part { frame, round: 0.014, shadow: 0.01, ..Part::new(band, Fill::Cloth) });
                return;
            }
            let notch = low * 0.42;
            let lapel = Path::new()
                .k(0.0, low + 0.004)
                .s(nx * 0.5, low * 0.55)
                .k(nx * 0.82, 0.02)
                .k(nx + 0.012, notch * 0.62)
                .k(nx + 0.045, notch * 0.74)
                .s(nx * 0.9, low * 0.62)
                .closed();
            m.both(Part { frame, round: 0.014, shadow: 0.016, ..Part::new(lapel, Fill::Cloth) });
            let top = Path::new()
                .k(nx * 0.86, -0.03)
                .s(nx + 0.016, 0.006)
                .k(nx + 0.04, notch * 0.52)
                .k(nx + 0.008, notch * 0.68)
                .s(nx * 0.85, 0.04)
                .closed();
            m.both(Part { frame, round: 0.012, shadow: 0.012, ..Part::new(top, Fill::Cloth) });
        }
        Collar::Hood => {
            if !back {
                for sign in [1.0, -1.0] {
                    let cord = Path::new()
                        .s(sign * 0.035, low - 0.01)
                        .s(sign * 0.042, low + 0.07)
                        .s(sign * 0.036, low + 0.15)
                        .open();
                    let cord_colour = m.trims[3];
                    let mut part = Part::line(&cord, 0.0075, Fill::Plain(cord_colour, Finish::Dull));
                    part.shadow = 0.006;
                    m.parts.push(part);
                }
            }
        }
    }
}

fn hood(m: &mut Maker, s: &Shape, back: bool) {
    let nx = s.neck_half;
    if back {
        return;
    }
    let worn = m.pose.worn();
    let h = if worn { -0.06 } else { -0.2 };
    let frame = Frame { at: [0.3, 0.9], ..Frame::BODY };
    let outer = Path::new()
        .s(nx + 0.03, 0.035)
        .s(nx + 0.05, h * 0.45)
        .s(nx * 0.62, h * 0.94)
        .s(0.0, h)
        .mirrored()
        .s(0.0, 0.06)
        .closed();
    m.parts.push(Part { frame, round: 0.04, fold: 0.6, id: 5, ..Part::new(outer, Fill::Cloth) });
    if !worn {
        let inner = Path::new()
            .s(nx * 0.86, 0.02)
            .s(nx * 0.82, h * 0.42)
            .s(nx * 0.4, h * 0.76)
            .s(0.0, h * 0.82)
            .mirrored()
            .s(0.0, s.neck_depth + 0.04)
            .closed();
        m.parts.push(Part { round: 0.05, shadow: 0.0, fold: 0.5, ..Part::new(inner, Fill::Inside(0.5)) });
    }
}

/// The part of a polygon between two heights.
fn cut_band(points: &[Pt], y0: f32, y1: f32) -> Vec<Pt> {
    let clip = |points: &[Pt], limit: f32, below: bool| {
        let inside = |p: &Pt| if below { p[1] <= limit } else { p[1] >= limit };
        let mut out = Vec::new();
        for i in 0..points.len() {
            let (a, b) = (points[i], points[(i + 1) % points.len()]);
            if inside(&a) {
                out.push(a);
            }
            if inside(&a) != inside(&b) {
                out.push(lerp2(a, b, (limit - a[1]) / (b[1] - a[1])));
            }
        }
        out
    };
    clip(&clip(points, y0, false), y1, true)
}
