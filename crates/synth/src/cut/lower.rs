//! What covers the hips and legs: skirts, trousers, shorts, tights.

use super::{Cut, Fill, Finish, Maker, Part, Pleats};
use crate::colour;
use crate::draw::ViewKind;
use crate::outline::{Path, rounded};

const WAIST_Y: f32 = 0.42;

pub(super) fn make(m: &mut Maker, cut: Cut) {
    match cut {
        Cut::MiniSkirt | Cut::PencilSkirt | Cut::PleatedSkirt | Cut::MaxiSkirt => skirt(m, cut),
        _ => trousers(m, cut),
    }
}

fn waistband(m: &mut Maker, half: f32, y: f32, height: f32, fill: Fill, dip: f32) {
    let band = Path::new()
        .k(half, y)
        .k(half + 0.003, y + height)
        .s(0.0, y + height + dip)
        .mirrored()
        .k(-half, y)
        .s(0.0, y + dip)
        .closed();
    let mut part = Part::new(band, fill);
    part.round = 0.01;
    part.shadow = 0.007;
    m.parts.push(part);
}

fn skirt(m: &mut Maker, cut: Cut) {
    let r = &mut m.rng;
    let (waist, hip, hem, len) = match cut {
        Cut::MiniSkirt => (r.range(0.17, 0.185), 0.225, r.range(0.24, 0.32), r.range(0.36, 0.46)),
        Cut::PencilSkirt => (0.17, 0.225, r.range(0.19, 0.215), r.range(0.56, 0.68)),
        Cut::PleatedSkirt => (0.17, r.range(0.235, 0.26), r.range(0.32, 0.42), r.range(0.42, 0.72)),
        _ => (0.17, 0.24, r.range(0.33, 0.48), r.range(0.82, 0.95)),
    };
    let ease = m.pose.ease().max(0.9);
    let (waist, hip) = (waist * ease, hip * ease);
    let bottom = WAIST_Y + len;
    let dip = if cut == Cut::PencilSkirt { 0.006 } else { 0.025 };
    let flare = cut != Cut::PencilSkirt;
    let mut path = Path::new().k(waist, WAIST_Y);
    path = if flare { path.s((waist + hip) * 0.52, WAIST_Y + 0.09) } else { path.s(hip, WAIST_Y + 0.19) };
    path = path.k(hem, bottom).s(hem * 0.5, bottom + dip * 0.85).s(0.0, bottom + dip);
    let outline = path.mirrored().s(0.0, WAIST_Y + 0.008).closed();
    let sharp = cut == Cut::PleatedSkirt;
    let pleats = flare.then_some(Pleats {
        n: if sharp { 9.0 } else { 4.5 },
        top: (WAIST_Y, waist),
        bottom: (bottom, hem),
        sharp,
    });
    let fold = if cut == Cut::MaxiSkirt { 0.7 } else { 0.35 };
    m.parts.push(Part { round: 0.03, fold, pleats, id: 10, ..Part::new(outline, Fill::Cloth) });
    if !sharp {
        let y = bottom - 0.02;
        let h = hem - 0.008;
        m.stitch(
            &Path::new()
                .s(-h, y)
                .s(-h * 0.5, y + dip * 0.85)
                .s(0.0, y + dip)
                .s(h * 0.5, y + dip * 0.85)
                .s(h, y)
                .open(),
        );
    }
    match cut {
        Cut::PencilSkirt => m.seam(&[[0.03, bottom - 0.14], [0.03, bottom]]),
        Cut::MiniSkirt if m.rng.chance(0.4) => {
            let button = m.trims[3];
            m.seam(&[[0.014, WAIST_Y + 0.03], [0.014, bottom + dip]]);
            for i in 0..6 {
                let y = WAIST_Y + 0.05 + i as f32 * 0.062;
                if y < bottom - 0.02 && !m.pose.back() {
                    m.button(0.0, y, 0.0085, button);
                }
            }
        }
        _ => {}
    }
    let fill = if m.rng.chance(0.25) { Fill::Plain(m.trims[4], Finish::Dull) } else { Fill::Cloth };
    waistband(m, waist + 0.002, WAIST_Y - 0.012, 0.04, fill, 0.01);
}

fn trousers(m: &mut Maker, cut: Cut) {
    let r = &mut m.rng;
    let crotch = 0.755;
    let ankle = 1.44;
    let (mut waist, mut hip, knee, hem, mut bottom) = match cut {
        Cut::Jeans => (0.195, 0.245, r.range(0.1, 0.12), r.range(0.08, 0.12), ankle + r.range(-0.06, 0.02)),
        Cut::WideTrousers => (0.185, 0.245, r.range(0.14, 0.165), r.range(0.16, 0.22), ankle + 0.03),
        Cut::Chinos => (0.195, 0.24, 0.105, r.range(0.078, 0.095), ankle - r.range(0.0, 0.08)),
        Cut::Joggers => (0.19, 0.25, 0.118, 0.068, ankle - 0.01),
        Cut::Shorts => (0.195, 0.25, 0.14, r.range(0.145, 0.165), r.range(0.84, 0.93)),
        Cut::Bermudas => (0.195, 0.25, 0.13, r.range(0.118, 0.135), r.range(0.98, 1.06)),
        _ => (0.16, 0.195, 0.075, 0.045, ankle + 0.03),
    };
    let ease = m.pose.ease().max(0.88);
    waist *= ease;
    hip *= ease;
    let tights = cut == Cut::Tights;
    if m.pose.kind == ViewKind::Folded {
        folded(m, hip, bottom, cut);
        return;
    }
    let knee_y = 1.06f32;
    let short = bottom < 1.1;
    // Legs hang along lines from the hip to the ankle.
    let gap = if m.pose.worn() { m.pose.stance * 0.9 } else { m.pose.stance };
    let centre = |y: f32| 0.105 * ease + (gap - 0.02) * ((y - crotch) / (ankle - crotch)).max(0.0);
    if short {
        bottom = bottom.max(crotch + 0.07);
    }
    let hem_c = centre(bottom);
    let mut path = Path::new().s(0.0, WAIST_Y + 0.012).k(waist, WAIST_Y).s(hip, WAIST_Y + 0.2);
    if !short {
        path = path.s(centre(knee_y) + knee, knee_y);
    }
    path = path.k(hem_c + hem, bottom - 0.004).k((hem_c - hem).max(0.012), bottom);
    if !short {
        path = path.s((centre(knee_y) - knee).max(0.01), knee_y);
    }
    let outline = path.k(0.002, crotch).mirrored().closed();
    let fold = if tights { 0.1 } else { 0.5 };
    m.parts.push(Part {
        round: 0.035,
        fold,
        id: if m.pose.back() { 12 } else { 11 },
        ..Part::new(outline, Fill::Cloth)
    });
    if tights {
        waistband(m, waist, WAIST_Y, 0.03, Fill::Inside(0.8), 0.008);
        return;
    }
    // The crease between the legs and the rise.
    m.parts.push(Part::line(
        &Path::new().s(0.0, WAIST_Y + 0.04).s(0.004, 0.6).s(0.0, crotch).open(),
        0.004,
        Fill::Inside(0.6),
    ));
    let front = !m.pose.back();
    let denim = cut == Cut::Jeans;
    if front {
        let fly = Path::new().s(0.026, WAIST_Y + 0.04).s(0.028, 0.55).s(0.004, 0.615).open();
        if cut != Cut::Joggers {
            m.stitch(&fly);
        }
        for side in [-1.0, 1.0] {
            let pocket = if denim || cut == Cut::Shorts {
                Path::new()
                    .s(side * waist * 0.5, WAIST_Y + 0.035)
                    .s(side * waist * 0.66, WAIST_Y + 0.095)
                    .s(side * (hip - 0.022), WAIST_Y + 0.125)
            } else {
                Path::new().s(side * waist * 0.72, WAIST_Y + 0.04).s(side * (hip - 0.028), WAIST_Y + 0.19)
            };
            let line = pocket.open();
            m.parts.push(Part::line(&line, 0.005, Fill::Inside(0.55)));
            let inner: Vec<_> = line.iter().map(|p| [p[0] - side * 0.006, p[1] + 0.006]).collect();
            m.stitch(&inner);
        }
    } else {
        for side in [-1.0f32, 1.0] {
            let (x0, x1) = (side * 0.045, side * 0.155);
            let y = WAIST_Y + 0.1;
            let p =
                vec![[x0, y], [x1, y - 0.006], [x1, y + 0.11], [(x0 + x1) * 0.5, y + 0.135], [x0, y + 0.115]];
            m.parts.push(Part { round: 0.004, shadow: 0.007, ..Part::new(p, Fill::Cloth) });
        }
        m.stitch(&[[-waist, WAIST_Y + 0.055], [0.0, WAIST_Y + 0.085], [waist, WAIST_Y + 0.055]]);
    }
    if matches!(cut, Cut::WideTrousers | Cut::Chinos) && m.rng.chance(0.6) {
        for side in [-1.0, 1.0] {
            let c = |y: f32| side * centre(y);
            m.parts.push(Part {
                shadow: 0.0,
                ..Part::line(
                    &[[c(0.56), 0.56], [c(knee_y), knee_y], [c(bottom), bottom - 0.01]],
                    0.004,
                    Fill::Inside(0.8),
                )
            });
        }
    }
    let (in_x, out_x) = ((hem_c - hem).max(0.012), hem_c + hem);
    match cut {
        Cut::Joggers => {
            let rib = m.rib();
            let cuff = vec![
                [in_x + 0.004, bottom - 0.055],
                [out_x - 0.002, bottom - 0.057],
                [out_x - 0.01, bottom + 0.004],
                [in_x + 0.01, bottom + 0.006],
            ];
            m.both(Part { round: 0.014, shadow: 0.006, ..Part::new(cuff, rib) });
            for side in [-1.0, 1.0] {
                let cord = Path::new()
                    .s(side * 0.012, WAIST_Y + 0.02)
                    .s(side * 0.022, WAIST_Y + 0.09)
                    .s(side * 0.016, WAIST_Y + 0.15)
                    .open();
                let colour = m.trims[3];
                m.parts.push(Part {
                    shadow: 0.006,
                    ..Part::line(&cord, 0.007, Fill::Plain(colour, Finish::Dull))
                });
            }
        }
        Cut::Bermudas | Cut::Chinos if m.rng.chance(0.4) => {
            let cuff = vec![
                [in_x - 0.003, bottom - 0.04],
                [out_x + 0.003, bottom - 0.044],
                [out_x + 0.003, bottom - 0.002],
                [in_x - 0.003, bottom + 0.002],
            ];
            m.both(Part { round: 0.006, shadow: 0.008, ..Part::new(cuff, Fill::Cloth) });
        }
        _ => {
            for side in [-1.0, 1.0] {
                m.stitch(&[[side * in_x, bottom - 0.022], [side * out_x, bottom - 0.026]]);
            }
        }
    }
    let fill = if cut == Cut::Joggers { m.rib() } else { Fill::Cloth };
    waistband(m, waist + 0.002, WAIST_Y - 0.014, 0.042, fill, 0.01);
    if cut != Cut::Joggers {
        for x in [-0.13, -0.06, 0.06, 0.13] {
            let x: f32 = x * ease;
            m.parts.push(Part {
                round: 0.003,
                shadow: 0.004,
                ..Part::new(
                    rounded(x - 0.006, WAIST_Y - 0.016, x + 0.006, WAIST_Y + 0.036, 0.002),
                    Fill::Cloth,
                )
            });
        }
        if front {
            let metal = if denim { colour::srgb([188, 140, 84]) } else { m.trims[4] };
            m.button(0.0, WAIST_Y + 0.012, 0.0085, metal);
        }
    }
}

fn folded(m: &mut Maker, hip: f32, bottom: f32, cut: Cut) {
    // One leg on the other, folded across.
    let long = bottom > 1.2;
    let height = if long { 0.42 } else { bottom - WAIST_Y };
    let w = hip * 0.56;
    for i in (0..if long { 3 } else { 1 }).rev() {
        let d = 0.007 * i as f32;
        let under = rounded(-w + d, WAIST_Y + 0.02, w + d, WAIST_Y + height + 0.012 + d * 0.8, 0.012);
        m.parts.push(Part { shadow: 0.01, ..Part::new(under, Fill::Inside(0.75)) });
    }
    let body = Path::new()
        .k(-w, WAIST_Y)
        .k(w, WAIST_Y + 0.006)
        .s(w + 0.012, WAIST_Y + height * 0.5)
        .k(w, WAIST_Y + height)
        .s(0.0, WAIST_Y + height + 0.006)
        .k(-w, WAIST_Y + height)
        .closed();
    m.parts.push(Part { round: 0.03, fold: 0.35, id: 11, ..Part::new(body, Fill::Cloth) });
    let pocket = vec![
        [-w * 0.55, WAIST_Y + 0.09],
        [w * 0.5, WAIST_Y + 0.085],
        [w * 0.5, WAIST_Y + 0.19],
        [-0.01, WAIST_Y + 0.215],
        [-w * 0.55, WAIST_Y + 0.195],
    ];
    if cut != Cut::Joggers {
        m.parts.push(Part { round: 0.004, shadow: 0.007, ..Part::new(pocket, Fill::Cloth) });
        m.stitch(&[[-w * 0.55, WAIST_Y + 0.105], [w * 0.5, WAIST_Y + 0.1]]);
    }
    waistband(m, w, WAIST_Y - 0.014, 0.042, Fill::Cloth, 0.0);
}
