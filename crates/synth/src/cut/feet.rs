//! What covers the feet: shoes in pairs, socks.

use super::{Cut, Fill, Finish, Frame, Maker, Part};
use crate::colour::{self, Rgb};
use crate::outline::{Path, ellipse, rounded};

const FLOOR_Y: f32 = 1.53;

pub(super) fn make(m: &mut Maker, cut: Cut) {
    if cut == Cut::Socks {
        return socks(m);
    }
    let state = m.rng.clone();
    if m.pose.worn() {
        let one = worn(m, cut);
        for side in [1.0f32, -1.0] {
            for part in &one {
                let x = 0.105 + m.pose.stance * 0.9 - 0.02;
                let part = if side > 0.0 {
                    part.moved(x, FLOOR_Y, 1.0)
                } else {
                    part.flipped().moved(-x, FLOOR_Y, 1.0)
                };
                m.parts.push(part);
            }
        }
        return;
    }
    // From the side, toes right: the far shoe first, a little up and back.
    let far = side_view(m, cut);
    m.rng = state;
    let near = side_view(m, cut);
    let lift = if cut == Cut::Boots { -0.035 } else { -0.07 };
    m.parts = far.iter().map(|p| Part { id: 0, ..p.moved(0.075, FLOOR_Y + lift, 0.97) }).collect();
    m.parts.extend(near.iter().map(|p| p.moved(-0.02, FLOOR_Y, 1.0)));
}

fn sole_colour(m: &mut Maker) -> Rgb {
    let white = colour::srgb([238, 236, 230]);
    let gum = colour::srgb([176, 126, 78]);
    let dark = m.trims[4];
    m.rng.pick(&[white, white, gum, dark])
}

fn side_view(m: &mut Maker, cut: Cut) -> Vec<Part> {
    let [_, second, accent, light, dark] = m.trims;
    let frame = Frame { at: [0.0, 0.25], ..Frame::BODY };
    let mut out = Vec::new();
    let upper = |outline, out: &mut Vec<Part>| {
        out.push(Part {
            frame,
            round: 0.03,
            fold: 0.15,
            shadow: 0.008,
            id: 20,
            ..Part::new(outline, Fill::Cloth)
        });
    };
    match cut {
        Cut::Sneakers => {
            let sole = sole_colour(m);
            let thick = m.rng.range(0.024, 0.042);
            let high = m.rng.chance(0.3);
            let top = if high { -0.165 } else { -0.098 };
            let inside = Path::new()
                .s(-0.118, top - 0.004)
                .s(-0.09, top - 0.012)
                .s(-0.04, top - 0.016)
                .s(-0.01, top - 0.02)
                .s(-0.035, top + 0.03)
                .s(-0.1, top + 0.03)
                .closed();
            out.push(Part {
                shadow: 0.0,
                ..Part::new(inside, Fill::Plain(colour::scale(second, 0.45), Finish::Dull))
            });
            let tongue = Path::new()
                .k(-0.038, top - 0.008)
                .s(-0.02, top - 0.034)
                .s(0.002, top - 0.026)
                .k(0.02, top + 0.03)
                .closed();
            out.push(Part {
                round: 0.01,
                ..Part::new(tongue, Fill::Plain(colour::scale(second, 0.9), Finish::Dull))
            });
            let body = Path::new()
                .k(-0.134, -thick + 0.006)
                .s(-0.137, -0.06)
                .s(-0.126, top)
                .s(-0.085, top + 0.014)
                .k(-0.03, top + 0.002)
                .s(0.03, top.max(-0.1) + 0.034)
                .s(0.085, -0.052)
                .s(0.128, -0.042)
                .s(0.142, -thick + 0.004)
                .closed();
            upper(body, &mut out);
            let toe = Path::new()
                .k(0.078, -0.054)
                .s(0.122, -0.046)
                .s(0.144, -thick)
                .k(0.07, -thick + 0.002)
                .s(0.066, -0.036)
                .closed();
            let toe_fill = Fill::Plain(if m.rng.chance(0.5) { light } else { second }, Finish::Satin);
            if m.rng.chance(0.7) {
                out.push(Part { round: 0.012, shadow: 0.004, ..Part::new(toe, toe_fill) });
            }
            let heel = Path::new()
                .k(-0.136, -0.05)
                .s(-0.126, top + 0.002)
                .k(-0.102, top + 0.012)
                .s(-0.106, -0.05)
                .k(-0.1, -thick)
                .k(-0.135, -thick)
                .closed();
            out.push(Part {
                round: 0.01,
                shadow: 0.004,
                ..Part::new(heel, Fill::Plain(accent, Finish::Satin))
            });
            match m.rng.below(3) {
                0 => {
                    for i in 0..3 {
                        let x = -0.06 + i as f32 * 0.026;
                        out.push(Part::line(
                            &[[x, -thick], [x + 0.034, -0.08 + i as f32 * 0.006]],
                            0.011,
                            Fill::Plain(second, Finish::Satin),
                        ));
                    }
                }
                1 => {
                    let swoop = Path::new()
                        .k(-0.09, -0.066)
                        .s(-0.045, -0.042)
                        .s(0.0, -0.05)
                        .k(0.052, -0.075)
                        .s(0.0, -0.036)
                        .s(-0.05, -0.028)
                        .closed();
                    out.push(Part {
                        shadow: 0.003,
                        round: 0.004,
                        ..Part::new(swoop, Fill::Plain(second, Finish::Satin))
                    });
                }
                _ => out.push(Part {
                    shadow: 0.003,
                    ..Part::new(ellipse(-0.06, -0.07, 0.02, 0.02), Fill::Plain(light, Finish::Satin))
                }),
            }
            let eyestay = Path::new()
                .k(-0.03, top + 0.002)
                .s(0.03, top.max(-0.1) + 0.034)
                .k(0.07, -0.058)
                .k(0.06, -0.044)
                .s(0.015, top.max(-0.1) + 0.05)
                .k(-0.045, top + 0.02)
                .closed();
            out.push(Part {
                round: 0.006,
                shadow: 0.004,
                ..Part::new(eyestay, Fill::Plain(colour::scale(second, 0.8), Finish::Satin))
            });
            let n = if high { 6 } else { 4 };
            for i in 0..n {
                let t = (i as f32 + 0.4) / n as f32;
                let (x, y) = (-0.034 + 0.09 * t, top + 0.008 + (-0.062 - top) * t);
                out.push(Part {
                    shadow: 0.003,
                    round: 0.003,
                    ..Part::line(
                        &[[x - 0.012, y + 0.016], [x + 0.008, y - 0.007]],
                        0.007,
                        Fill::Plain(light, Finish::Dull),
                    )
                });
            }
            let sole_shape = Path::new()
                .k(-0.138, -thick)
                .s(-0.142, -0.01)
                .s(-0.126, 0.0)
                .s(0.05, 0.0)
                .s(0.13, -0.004)
                .s(0.15, -thick * 0.75)
                .k(0.146, -thick - 0.003)
                .s(0.0, -thick + 0.004)
                .closed();
            out.push(Part {
                round: 0.01,
                shadow: 0.003,
                ..Part::new(sole_shape, Fill::Plain(sole, Finish::Dull))
            });
            out.push(Part {
                shadow: 0.0,
                ..Part::line(
                    &[[-0.136, -thick * 0.5], [0.0, -thick * 0.42], [0.146, -thick * 0.6]],
                    0.003,
                    Fill::Plain(accent, Finish::Dull),
                )
            });
        }
        Cut::Boots => {
            let top = -m.rng.range(0.2, 0.38);
            let wide = 0.056;
            let inside = Path::new()
                .s(-0.065 - wide, top)
                .s(-0.065, top - 0.014)
                .s(-0.065 + wide, top)
                .s(-0.065, top + 0.014)
                .closed();
            out.push(Part {
                shadow: 0.0,
                ..Part::new(inside, Fill::Plain(colour::scale(dark, 0.6), Finish::Dull))
            });
            let body = Path::new()
                .k(-0.13, -0.025)
                .s(-0.132, -0.09)
                .s(-0.12, top * 0.6)
                .k(-0.065 - wide, top)
                .s(-0.065, top + 0.014)
                .k(-0.065 + wide, top)
                .s(-0.016, top * 0.55)
                .s(0.005, -0.115)
                .s(0.07, -0.07)
                .s(0.125, -0.055)
                .s(0.14, -0.02)
                .closed();
            upper(body, &mut out);
            if m.rng.chance(0.5) {
                let panel = Path::new()
                    .k(-0.09, -0.105)
                    .k(-0.085, top + 0.02)
                    .k(-0.045, top + 0.02)
                    .k(-0.04, -0.105)
                    .s(-0.065, -0.08)
                    .closed();
                out.push(Part {
                    round: 0.006,
                    shadow: 0.003,
                    ..Part::new(panel, Fill::Plain(colour::scale(dark, 0.8), Finish::Rib))
                });
            } else {
                for i in 0..6 {
                    let y = -0.11 + (top + 0.13) * i as f32 / 5.0;
                    out.push(Part {
                        shadow: 0.003,
                        ..Part::line(
                            &[[-0.045, y - 0.004], [0.0 - 0.012 * i as f32 / 5.0, y]],
                            0.006,
                            Fill::Plain(light, Finish::Dull),
                        )
                    });
                }
            }
            let sole = Path::new()
                .k(-0.136, -0.03)
                .k(-0.134, 0.0)
                .k(-0.06, 0.0)
                .k(-0.052, -0.014)
                .s(0.0, -0.014)
                .s(0.03, 0.0)
                .s(0.13, -0.003)
                .k(0.146, -0.026)
                .s(0.0, -0.026)
                .closed();
            out.push(Part {
                round: 0.006,
                shadow: 0.004,
                ..Part::new(sole, Fill::Plain(colour::scale(dark, 0.7), Finish::Dull))
            });
        }
        Cut::Pumps => {
            let heel = m.rng.range(0.012, 0.085);
            let inner = Path::new()
                .s(-0.12, -0.05 - heel)
                .s(-0.06, -0.056 - heel * 0.7)
                .s(0.04, -0.052)
                .s(0.0, -0.03 - heel * 0.3)
                .s(-0.1, -0.03 - heel)
                .closed();
            out.push(Part {
                shadow: 0.0,
                ..Part::new(inner, Fill::Plain(colour::srgb([214, 190, 160]), Finish::Dull))
            });
            let body = Path::new()
                .k(-0.13, -0.004 - heel)
                .s(-0.137, -0.03 - heel)
                .s(-0.126, -0.062 - heel)
                .s(-0.1, -0.048 - heel)
                .s(-0.03, -0.022 - heel * 0.6)
                .s(0.03, -0.026)
                .s(0.062, -0.048)
                .s(0.1, -0.036)
                .k(0.152, -0.006)
                .s(0.09, -0.002)
                .s(0.02, -0.004 - heel * 0.12)
                .s(-0.06, -0.002 - heel * 0.8)
                .closed();
            upper(body, &mut out);
            let w = if heel > 0.05 { 0.006 } else { 0.024 };
            let block =
                vec![[-0.13, -0.008 - heel], [-0.085, -0.005 - heel * 0.95], [-0.12 + w, 0.0], [-0.126, 0.0]];
            out.push(Part {
                round: 0.006,
                shadow: 0.0,
                ..Part::new(block, Fill::Plain(colour::scale(dark, 0.8), Finish::Satin))
            });
            if m.rng.chance(0.4) {
                out.push(Part {
                    shadow: 0.003,
                    ..Part::new(
                        ellipse(0.066, -0.04, 0.014, 0.009),
                        Fill::Plain(colour::srgb([206, 176, 110]), Finish::Shiny),
                    )
                });
            }
        }
        _ => {
            let sole = sole_colour(m);
            let bed = Path::new()
                .s(-0.135, -0.022)
                .s(-0.05, -0.034)
                .s(0.05, -0.026)
                .s(0.135, -0.028)
                .s(0.145, -0.008)
                .k(0.12, 0.0)
                .k(-0.125, 0.0)
                .closed();
            out.push(Part { round: 0.01, ..Part::new(bed, Fill::Plain(sole, Finish::Dull)) });
            let insole = Path::new()
                .s(-0.13, -0.026)
                .s(-0.04, -0.042)
                .s(0.06, -0.036)
                .s(0.135, -0.03)
                .s(0.05, -0.026)
                .s(-0.05, -0.03)
                .closed();
            out.push(Part {
                shadow: 0.0,
                ..Part::new(insole, Fill::Plain(colour::srgb([190, 150, 106]), Finish::Dull))
            });
            let strap = |pts: Vec<[f32; 2]>, w: f32, out: &mut Vec<Part>| {
                out.push(Part {
                    frame,
                    round: w * 0.4,
                    shadow: 0.007,
                    id: 20,
                    ..Part::line(&pts, w, Fill::Cloth)
                });
                out.last_mut().expect("just pushed").shadow = 0.007;
            };
            strap(Path::new().s(0.03, -0.024).s(0.055, -0.075).s(0.085, -0.026).open(), 0.03, &mut out);
            strap(Path::new().s(-0.035, -0.026).s(-0.005, -0.088).s(0.02, -0.026).open(), 0.026, &mut out);
            if m.rng.chance(0.6) {
                strap(
                    Path::new().s(-0.12, -0.03).s(-0.126, -0.085).s(-0.07, -0.095).s(-0.012, -0.06).open(),
                    0.013,
                    &mut out,
                );
            }
            out.push(Part {
                shadow: 0.003,
                ..Part::new(
                    rounded(-0.012, -0.078, 0.004, -0.06, 0.003),
                    Fill::Plain(colour::srgb([206, 190, 150]), Finish::Shiny),
                )
            });
        }
    }
    out
}

/// A shoe seen from the front, sole at y = 0.
fn worn(m: &mut Maker, cut: Cut) -> Vec<Part> {
    let [_, second, accent, light, dark] = m.trims;
    let frame = Frame { at: [0.0, 0.25], ..Frame::BODY };
    let top = match cut {
        Cut::Boots => -m.rng.range(0.2, 0.36),
        Cut::Sneakers => -0.1,
        _ => -0.05,
    };
    let w = 0.046;
    let mut out = Vec::new();
    let body = Path::new()
        .k(-0.034, top)
        .s(-w + 0.002, top * 0.5)
        .s(-w - 0.004, -0.02)
        .s(-0.03, 0.028)
        .s(0.012, 0.034)
        .s(w + 0.004, 0.014)
        .s(w + 0.004, -0.02)
        .s(0.042, top * 0.5)
        .k(0.036, top)
        .s(0.0, top + 0.012)
        .closed();
    out.push(Part { frame, round: 0.026, shadow: 0.006, id: 20, ..Part::new(body, Fill::Cloth) });
    match cut {
        Cut::Sneakers => {
            let sole = sole_colour(m);
            let rim =
                Path::new().s(-w - 0.005, 0.0).s(-0.03, 0.026).s(0.012, 0.032).s(w + 0.005, 0.01).open();
            out.push(Part { shadow: 0.0, ..Part::line(&rim, 0.018, Fill::Plain(sole, Finish::Dull)) });
            for i in 0..3 {
                let y = -0.08 + i as f32 * 0.022;
                out.push(Part {
                    shadow: 0.003,
                    ..Part::line(&[[-0.018, y], [0.02, y + 0.003]], 0.006, Fill::Plain(light, Finish::Dull))
                });
            }
            out.push(Part {
                shadow: 0.0,
                ..Part::line(&[[-w, -0.03], [-w + 0.008, 0.012]], 0.01, Fill::Plain(second, Finish::Satin))
            });
        }
        Cut::Boots => {
            let rim =
                Path::new().s(-w - 0.003, 0.006).s(-0.03, 0.03).s(0.012, 0.036).s(w + 0.003, 0.016).open();
            out.push(Part {
                shadow: 0.0,
                ..Part::line(&rim, 0.012, Fill::Plain(colour::scale(dark, 0.7), Finish::Dull))
            });
        }
        _ => out.push(Part {
            shadow: 0.0,
            ..Part::new(ellipse(0.002, -0.012, 0.016, 0.006), Fill::Plain(accent, Finish::Satin))
        }),
    }
    out
}

fn socks(m: &mut Maker) {
    let tall = m.rng.range(0.16, 0.34);
    let band = if m.rng.chance(0.5) { Fill::Plain(m.trims[1], Finish::Rib) } else { m.rib() };
    let toe = Fill::Plain(m.trims[if m.rng.chance(0.5) { 1 } else { 2 }], Finish::Dull);
    let worn = m.pose.worn();
    let w = 0.045;
    let leg = if worn {
        Path::new()
            .k(-w, -tall)
            .s(-w * 0.8, -0.08)
            .k(-0.04, 0.01)
            .k(0.04, 0.01)
            .s(w * 0.8, -0.08)
            .k(w, -tall)
            .closed()
    } else {
        Path::new()
            .k(-w, -tall)
            .s(-w - 0.002, -0.05)
            .s(-w + 0.004, -0.004)
            .s(-0.02, 0.014)
            .s(0.06, 0.012)
            .s(0.13, 0.01)
            .s(0.15, -0.02)
            .s(0.12, -0.052)
            .s(0.07, -0.062)
            .s(w + 0.004, -0.09)
            .k(w, -tall)
            .closed()
    };
    let mut one = vec![Part {
        round: 0.02,
        fold: 0.4,
        id: 21,
        frame: Frame { at: [0.0, 0.3], ..Frame::BODY },
        ..Part::new(leg, Fill::Cloth)
    }];
    one.push(Part {
        round: 0.008,
        shadow: 0.003,
        ..Part::new(
            vec![
                [-w - 0.002, -tall - 0.004],
                [w + 0.002, -tall - 0.004],
                [w, -tall + 0.036],
                [-w, -tall + 0.036],
            ],
            band,
        )
    });
    if !worn {
        let tip = Path::new()
            .k(0.104, 0.013)
            .s(0.14, 0.008)
            .s(0.15, -0.02)
            .s(0.122, -0.052)
            .k(0.108, -0.055)
            .s(0.116, -0.02)
            .closed();
        one.push(Part { shadow: 0.0, ..Part::new(tip, toe) });
        let heel = Path::new()
            .k(-w - 0.001, -0.045)
            .s(-w + 0.004, -0.004)
            .s(-0.02, 0.014)
            .k(0.006, 0.013)
            .s(-0.01, -0.02)
            .closed();
        one.push(Part { shadow: 0.0, ..Part::new(heel, toe) });
    }
    let x = 0.105 + m.pose.stance * 0.9 - 0.02;
    for part in &one {
        m.parts.push(if worn {
            part.flipped().moved(-x, FLOOR_Y - 0.03, 1.0)
        } else {
            part.moved(-0.09, FLOOR_Y - 0.03, 1.0)
        });
    }
    for part in &one {
        m.parts.push(if worn {
            part.moved(x, FLOOR_Y - 0.03, 1.0)
        } else {
            part.moved(0.06, FLOOR_Y + 0.0, 1.0)
        });
    }
}
