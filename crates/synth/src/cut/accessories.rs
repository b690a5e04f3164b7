//! Bags, hats, scarves, small things.

use super::{Cut, Fill, Finish, Frame, Maker, Part};
use crate::colour;
use crate::outline::{Path, Pt, ellipse, rounded, stroke, turn};

/// Puts the parts `first..` of the maker where the person wears them, or leaves them at the origin.
fn place(m: &mut Maker, first: usize, x: f32, y: f32, scale: f32) {
    for part in &mut m.parts[first..] {
        *part = part.moved(x, y, scale);
    }
}

pub(super) fn make(m: &mut Maker, cut: Cut) {
    let [_, second, accent, light, dark] = m.trims;
    let gold = colour::srgb([206, 172, 98]);
    let silver = colour::srgb([186, 190, 196]);
    let metal = if m.rng.chance(0.5) { gold } else { silver };
    let strap_colour = if m.rng.chance(0.5) { dark } else { colour::srgb([132, 84, 50]) };
    let frame = Frame { at: [0.0, 0.06], ..Frame::BODY };
    let worn = m.pose.worn();
    let cloth = |outline: Vec<Pt>, round: f32, fold: f32, id: u8| Part {
        frame,
        round,
        fold,
        id,
        ..Part::new(outline, Fill::Cloth)
    };
    let plain = |outline: Vec<Pt>, colour, finish| Part {
        round: 0.006,
        shadow: 0.006,
        ..Part::new(outline, Fill::Plain(colour, finish))
    };
    match cut {
        Cut::Tote => {
            let (w, h) = (m.rng.range(0.17, 0.2), m.rng.range(0.34, 0.4));
            let drop = m.rng.range(0.14, 0.26);
            let handle = |dx: f32| {
                Path::new()
                    .s(-0.085 + dx, 0.05)
                    .s(-0.08 + dx, -drop * 0.55)
                    .s(dx, -drop)
                    .s(0.08 + dx, -drop * 0.55)
                    .s(0.085 + dx, 0.05)
                    .open()
            };
            let fill = Fill::Plain(strap_colour, Finish::Dull);
            let own = if m.rng.chance(0.5) { Fill::Cloth } else { fill };
            m.parts.push(Part { shadow: 0.0, ..Part::line(&handle(0.008), 0.02, Fill::Inside(0.6)) });
            let body = Path::new()
                .k(-w, 0.0)
                .s(0.0, 0.012)
                .k(w, 0.0)
                .s(w + 0.008, h * 0.6)
                .s(w - 0.012, h)
                .k(w - 0.03, h + 0.006)
                .s(0.0, h + 0.012)
                .k(-w + 0.03, h + 0.006)
                .s(-w + 0.012, h)
                .s(-w - 0.008, h * 0.6)
                .closed();
            m.parts.push(Part { printed: true, ..cloth(body, 0.03, 0.6, 30) });
            m.stitch(&Path::new().s(-w + 0.004, 0.028).s(0.0, 0.04).s(w - 0.004, 0.028).open());
            m.parts.push(Part { shadow: 0.008, round: 0.006, frame, ..Part::line(&handle(0.0), 0.022, own) });
        }
        Cut::ShoulderBag => {
            let (w, h) = (m.rng.range(0.11, 0.15), m.rng.range(0.15, 0.2));
            let strap = Path::new()
                .s(-w * 0.9, 0.04)
                .s(-w * 0.75, -0.2)
                .s(0.0, -0.3)
                .s(w * 0.75, -0.2)
                .s(w * 0.9, 0.04)
                .open();
            m.parts.push(Part {
                shadow: 0.004,
                ..Part::line(
                    &strap,
                    0.013,
                    if m.rng.chance(0.5) { Fill::Plain(metal, Finish::Shiny) } else { Fill::Inside(0.85) },
                )
            });
            m.parts.push(cloth(rounded(-w, 0.0, w, h, 0.03), 0.03, 0.15, 30));
            let low = h * m.rng.range(0.5, 0.72);
            let flap = Path::new()
                .k(-w + 0.008, -0.004)
                .k(w - 0.008, -0.004)
                .s(w, 0.03)
                .s(w * 0.86, low * 0.85)
                .s(0.0, low)
                .s(-w * 0.86, low * 0.85)
                .s(-w, 0.03)
                .closed();
            m.parts.push(Part {
                shadow: 0.016,
                frame: Frame { at: [0.2, 0.3], ..Frame::BODY },
                ..cloth(flap.clone(), 0.02, 0.1, 31)
            });
            let inner: Vec<Pt> = flap.iter().map(|p| [p[0] * 0.94, p[1] * 0.94 + 0.003]).collect();
            m.stitch(&inner);
            m.parts.push(plain(rounded(-0.015, low - 0.024, 0.015, low + 0.01, 0.004), metal, Finish::Shiny));
            for s in [-1.0f32, 1.0] {
                m.parts.push(plain(ellipse(s * w * 0.9, 0.03, 0.011, 0.011), metal, Finish::Shiny));
            }
        }
        Cut::Backpack => {
            let (w, h) = (0.145, m.rng.range(0.36, 0.42));
            m.parts.push(Part {
                shadow: 0.0,
                ..Part::line(
                    &Path::new().s(-0.03, 0.01).s(-0.026, -0.04).s(0.026, -0.04).s(0.03, 0.01).open(),
                    0.014,
                    Fill::Plain(dark, Finish::Dull),
                )
            });
            for s in [-1.0, 1.0] {
                let strap = Path::new()
                    .s(s * 0.06, 0.02)
                    .s(s * (w + 0.035), 0.12)
                    .s(s * (w + 0.03), 0.28)
                    .s(s * (w - 0.01), h - 0.02)
                    .open();
                m.parts.push(Part { round: 0.01, ..Part::line(&strap, 0.034, Fill::Inside(0.75)) });
            }
            let body = Path::new()
                .s(0.0, -0.012)
                .s(w * 0.75, 0.02)
                .s(w, 0.12)
                .s(w + 0.004, h * 0.7)
                .s(w - 0.02, h)
                .s(0.0, h + 0.008)
                .mirrored()
                .closed();
            m.parts.push(cloth(body, 0.04, 0.4, 30));
            m.parts.push(Part {
                shadow: 0.0,
                ..Part::line(
                    &Path::new()
                        .s(-w * 0.9, 0.16)
                        .s(-w * 0.68, 0.05)
                        .s(0.0, 0.028)
                        .s(w * 0.68, 0.05)
                        .s(w * 0.9, 0.16)
                        .open(),
                    0.006,
                    Fill::Plain(dark, Finish::Dull),
                )
            });
            let pocket = rounded(-w * 0.78, h * 0.5, w * 0.78, h - 0.02, 0.03);
            m.parts.push(Part {
                frame: Frame { at: [0.3, 0.1], ..Frame::BODY },
                ..cloth(pocket, 0.02, 0.3, 31)
            });
            m.parts.push(Part {
                shadow: 0.0,
                ..Part::line(
                    &[[-w * 0.66, h * 0.57], [w * 0.66, h * 0.57]],
                    0.006,
                    Fill::Plain(dark, Finish::Dull),
                )
            });
            m.parts.push(plain(
                rounded(w * 0.4, h * 0.57, w * 0.4 + 0.01, h * 0.57 + 0.045, 0.003),
                accent,
                Finish::Satin,
            ));
        }
        Cut::Cap => {
            let tall = m.rng.range(0.1, 0.125);
            let crown = Path::new()
                .k(-0.11, 0.0)
                .s(-0.105, -tall * 0.62)
                .s(-0.04, -tall)
                .s(0.045, -tall * 0.97)
                .s(0.1, -tall * 0.55)
                .k(0.108, 0.0)
                .s(0.0, 0.016)
                .closed();
            m.parts.push(Part { printed: true, ..cloth(crown, 0.03, 0.25, 33) });
            for x in [-0.055, 0.055f32] {
                m.seam(&Path::new().s(0.0, -tall).s(x * 0.75, -tall * 0.72).s(x, 0.01).open());
            }
            m.button(0.0, -tall, 0.009, second);
            let brim = if worn {
                Path::new()
                    .k(-0.1, -0.006)
                    .s(0.0, 0.012)
                    .k(0.1, -0.006)
                    .s(0.085, 0.03)
                    .s(0.0, 0.048)
                    .s(-0.085, 0.03)
                    .closed()
            } else {
                Path::new()
                    .k(-0.05, 0.012)
                    .s(0.03, -0.004)
                    .k(0.108, -0.012)
                    .s(0.17, 0.008)
                    .s(0.2, 0.036)
                    .s(0.12, 0.034)
                    .s(0.02, 0.034)
                    .closed()
            };
            let fill = if m.rng.chance(0.5) { Fill::Plain(second, Finish::Dull) } else { Fill::Cloth };
            m.parts.push(Part { frame, round: 0.012, shadow: 0.014, ..Part::new(brim, fill) });
            if worn {
                place(m, 0, 0.0, -0.245, 1.0);
            }
        }
        Cut::Beanie => {
            let tall = m.rng.range(0.15, 0.2);
            let slouch = m.rng.range(-0.02, 0.02);
            let body = Path::new()
                .k(-0.103, 0.0)
                .s(-0.106, -tall * 0.5)
                .s(-0.06 + slouch, -tall * 0.92)
                .s(slouch, -tall)
                .s(0.06 + slouch, -tall * 0.92)
                .s(0.106, -tall * 0.5)
                .k(0.103, 0.0)
                .closed();
            m.parts.push(cloth(body, 0.04, 0.4, 33));
            if m.rng.chance(0.4) {
                m.parts.push(Part {
                    round: 0.02,
                    ..Part::new(
                        ellipse(slouch, -tall - 0.012, 0.036, 0.034),
                        Fill::Plain(light, Finish::Hair),
                    )
                });
            }
            let cuff = Path::new()
                .k(-0.108, -0.045)
                .s(0.0, -0.04)
                .k(0.108, -0.045)
                .s(0.111, 0.0)
                .k(0.107, 0.016)
                .s(0.0, 0.024)
                .k(-0.107, 0.016)
                .s(-0.111, 0.0)
                .closed();
            let rib = if m.rng.chance(0.3) { Fill::Plain(second, Finish::Rib) } else { m.rib() };
            m.parts.push(Part { round: 0.02, shadow: 0.01, ..Part::new(cuff, rib) });
            if worn {
                place(m, 0, 0.0, -0.215, 0.9);
            }
        }
        Cut::BrimHat => {
            let wide = m.rng.range(0.17, 0.24);
            let brim = Path::new()
                .s(-wide, 0.0)
                .s(-wide * 0.6, -0.022)
                .s(0.0, -0.03)
                .s(wide * 0.6, -0.022)
                .s(wide, 0.0)
                .s(wide * 0.6, 0.036)
                .s(0.0, 0.046)
                .s(-wide * 0.6, 0.036)
                .closed();
            m.parts.push(Part {
                frame: Frame { ey: [0.0, 2.5], at: [0.1, 0.5], ..Frame::BODY },
                ..cloth(brim, 0.015, 0.2, 34)
            });
            let crown = Path::new()
                .k(-0.1, 0.006)
                .s(-0.094, -0.06)
                .s(-0.07, -0.115)
                .s(-0.03, -0.112)
                .s(0.0, -0.104)
                .s(0.03, -0.112)
                .s(0.07, -0.115)
                .s(0.094, -0.06)
                .k(0.1, 0.006)
                .s(0.0, 0.02)
                .closed();
            m.parts.push(Part { shadow: 0.014, ..cloth(crown, 0.035, 0.3, 33) });
            let band = Path::new()
                .k(-0.0995, -0.022)
                .s(0.0, -0.01)
                .k(0.0995, -0.022)
                .k(0.101, 0.006)
                .s(0.0, 0.021)
                .k(-0.101, 0.006)
                .closed();
            m.parts.push(plain(band, second, Finish::Satin));
            if worn {
                place(m, 0, 0.0, -0.25, 0.95);
            }
        }
        Cut::Scarf => {
            let (w, long) = (m.rng.range(0.055, 0.08), m.rng.range(0.5, 0.72));
            let sway = m.rng.range(0.01, 0.05);
            for (side, len, id) in [(-1.0f32, long, 35), (1.0, long * 0.86, 36)] {
                let c = side * 0.05;
                let tail = Path::new()
                    .k(c - w, 0.05)
                    .s(c - w + side * sway * 0.4, len * 0.5)
                    .k(c - w + side * sway, len)
                    .k(c + w + side * sway, len + 0.006)
                    .s(c + w + side * sway * 0.4, len * 0.5)
                    .k(c + w, 0.05)
                    .closed();
                m.parts.push(Part {
                    frame: Frame { at: [side * 0.2, 0.0], ..Frame::BODY },
                    ..cloth(tail, 0.025, 0.8, id)
                });
                let fringe = m.rng.chance(0.7);
                if fringe {
                    for i in 0..11 {
                        let x = c - w + side * sway + w * 2.0 * (i as f32 + 0.5) / 11.0;
                        let line = [[x, len - 0.004], [x + 0.004 * ((i * 7 % 5) as f32 - 2.0), len + 0.05]];
                        m.parts.push(Part::line(&line, 0.006, Fill::Inside(0.95)));
                    }
                }
            }
            let wrap = Path::new()
                .s(0.0, 0.125)
                .s(0.09, 0.085)
                .s(0.128, 0.01)
                .s(0.09, -0.06)
                .s(0.0, -0.052)
                .mirrored()
                .closed();
            m.parts.push(Part {
                frame: Frame { o: [0.0, 0.0], ex: [0.8, 0.5], ey: [-0.5, 0.8], at: [0.1, 0.5] },
                lean: 1.3,
                ..cloth(wrap, 0.045, 1.0, 37)
            });
            m.parts.push(Part {
                shadow: 0.0,
                round: 0.008,
                ..Part::line(
                    &Path::new().s(-0.108, -0.01).s(-0.02, 0.05).s(0.1, 0.032).open(),
                    0.006,
                    Fill::Inside(0.55),
                )
            });
            if !worn {
                let inner = Path::new().s(0.0, 0.01).s(0.05, -0.012).s(0.0, -0.034).mirrored().closed();
                m.parts.push(Part { shadow: 0.0, ..Part::new(inner, Fill::Inside(0.4)) });
            }
        }
        Cut::Belt => {
            let w = m.rng.range(0.014, 0.022);
            if worn {
                let line = Path::new().s(-0.172, 0.425).s(0.0, 0.436).s(0.172, 0.425).open();
                m.parts.push(Part {
                    round: 0.008,
                    frame: Frame { at: [0.0, 0.0], ..Frame::BODY },
                    id: 38,
                    ..Part::line(&line, w * 2.0, Fill::Cloth)
                });
                m.parts.push(plain(
                    rounded(-0.024, 0.436 - w - 0.006, 0.024, 0.436 + w + 0.006, 0.005),
                    metal,
                    Finish::Shiny,
                ));
            } else {
                // Rolled up once, the tail lying to the right.
                let spiral: Vec<Pt> = (0..70)
                    .map(|i| {
                        let a = i as f32 / 69.0 * 9.6 + 1.2;
                        let r = 0.05 + 0.0052 * a;
                        [r * a.cos() * 1.15, r * a.sin() * 0.62]
                    })
                    .collect();
                m.parts.push(Part {
                    round: 0.008,
                    shadow: 0.012,
                    ..Part::line(&spiral[..36], w * 1.5, Fill::Inside(0.75))
                });
                m.parts.push(Part {
                    round: 0.008,
                    id: 38,
                    ..Part::line(&spiral[30..], w * 1.5, Fill::Cloth)
                });
                let last = spiral[69];
                let tail = Path::new()
                    .s(last[0], last[1])
                    .s(last[0] + 0.08, last[1] + 0.02)
                    .s(last[0] + 0.22, last[1] + 0.012)
                    .open();
                m.parts.push(Part {
                    round: 0.008,
                    shadow: 0.01,
                    id: 38,
                    ..Part::line(&tail, w * 1.6, Fill::Cloth)
                });
                let (bx, by) = (last[0] + 0.23, last[1] + 0.012);
                let mut ring = rounded(bx - 0.026, by - w - 0.01, bx + 0.026, by + w + 0.01, 0.008);
                ring.push(ring[0]);
                m.parts.push(Part {
                    shadow: 0.008,
                    round: 0.004,
                    ..Part::line(&ring, 0.008, Fill::Plain(metal, Finish::Shiny))
                });
                m.parts.push(Part {
                    shadow: 0.004,
                    ..Part::line(
                        &[[bx - 0.026, by], [bx + 0.028, by]],
                        0.005,
                        Fill::Plain(metal, Finish::Shiny),
                    )
                });
            }
        }
        Cut::Sunglasses => {
            let (rx, ry) = (m.rng.range(0.026, 0.033), m.rng.range(0.02, 0.028));
            let squareness = m.rng.chance(0.5);
            let lens = |x: f32| {
                if squareness { rounded(x - rx, -ry, x + rx, ry, 0.011) } else { ellipse(x, 0.0, rx, ry) }
            };
            let tint = m.rng.pick(&[dark, colour::srgb([60, 44, 34]), colour::srgb([40, 54, 70])]);
            for s in [-1.0f32, 1.0] {
                if !worn {
                    m.parts.push(Part {
                        round: 0.003,
                        shadow: 0.006,
                        frame,
                        ..Part::line(
                            &Path::new()
                                .s(s * 0.066, -0.006)
                                .s(s * 0.072, -0.045)
                                .s(s * 0.058, -0.075)
                                .s(s * 0.03, -0.082)
                                .open(),
                            0.006,
                            Fill::Cloth,
                        )
                    });
                }
            }
            for s in [-1.0f32, 1.0] {
                let shape = lens(s * 0.036);
                m.parts.push(Part {
                    round: 0.004,
                    shadow: 0.008,
                    ..Part::new(shape.clone(), Fill::Glass(tint, 0.86))
                });
                let mut rim = shape;
                rim.push(rim[0]);
                m.parts.push(Part {
                    round: 0.003,
                    frame,
                    id: 39,
                    shadow: 0.003,
                    ..Part::line(&rim, 0.008, Fill::Cloth)
                });
                m.parts.push(Part {
                    shadow: 0.0,
                    ..Part::line(
                        &[[s * 0.036 - rx * 0.5, ry * 0.2], [s * 0.036 - rx * 0.05, -ry * 0.55]],
                        0.003,
                        Fill::Glass([0.8, 0.85, 0.9], 0.5),
                    )
                });
            }
            m.parts.push(Part {
                round: 0.002,
                frame,
                ..Part::line(
                    &Path::new().s(-0.01, -0.006).s(0.0, -0.011).s(0.01, -0.006).open(),
                    0.006,
                    Fill::Cloth,
                )
            });
            if worn {
                place(m, 0, 0.0, -0.2, 1.0);
            }
        }
        Cut::Necklace => {
            let drop = m.rng.range(0.13, 0.22);
            let chain = Path::new()
                .s(-0.06, 0.0)
                .s(-0.075, drop * 0.45)
                .s(0.0, drop)
                .s(0.075, drop * 0.45)
                .s(0.06, 0.0)
                .open();
            if m.rng.chance(0.5) {
                let n = 26;
                for i in 0..n {
                    let p = chain[(i * (chain.len() - 1)) / (n - 1)];
                    let r = 0.0045 + 0.003 * (1.0 - (i as f32 / (n - 1) as f32 * 2.0 - 1.0).abs());
                    m.parts.push(Part {
                        frame,
                        shadow: 0.004,
                        round: r * 0.7,
                        ..Part::new(ellipse(p[0], p[1], r, r), Fill::Cloth)
                    });
                }
            } else {
                m.parts.push(Part {
                    shadow: 0.004,
                    ..Part::line(&chain, 0.0032, Fill::Plain(metal, Finish::Shiny))
                });
            }
            let shape = match m.rng.below(3) {
                0 => ellipse(0.0, drop + 0.02, 0.017, 0.02),
                1 => turn(
                    &rounded(-0.014, drop + 0.004, 0.014, drop + 0.032, 0.003),
                    [0.0, drop + 0.018],
                    0.785,
                ),
                _ => Path::new()
                    .k(0.0, drop - 0.002)
                    .s(0.014, drop + 0.026)
                    .s(0.0, drop + 0.042)
                    .s(-0.014, drop + 0.026)
                    .closed(),
            };
            let rim: Vec<Pt> = shape.iter().chain(shape.first()).copied().collect();
            m.parts.push(Part { round: 0.01, shadow: 0.006, id: 40, ..cloth(shape, 0.01, 0.0, 40) });
            m.parts.push(Part { shadow: 0.0, ..Part::line(&rim, 0.004, Fill::Plain(metal, Finish::Shiny)) });
        }
        Cut::Watch => {
            let strap = |y0: f32, y1: f32, w0: f32, w1: f32| vec![[-w0, y0], [w0, y0], [w1, y1], [-w1, y1]];
            m.parts.push(cloth(strap(-0.11, -0.012, 0.0085, 0.012), 0.006, 0.0, 41));
            m.parts.push(cloth(strap(0.012, 0.12, 0.012, 0.0085), 0.006, 0.0, 42));
            for i in 0..4 {
                m.parts.push(Part {
                    shadow: 0.0,
                    ..Part::new(ellipse(0.0, 0.07 + i as f32 * 0.011, 0.0016, 0.0016), Fill::Inside(0.4))
                });
            }
            let r = m.rng.range(0.019, 0.023);
            m.parts.push(plain(rounded(r - 0.002, -0.003, r + 0.004, 0.003, 0.001), metal, Finish::Shiny));
            m.parts.push(Part {
                round: 0.006,
                shadow: 0.01,
                ..Part::new(ellipse(0.0, 0.0, r, r), Fill::Plain(metal, Finish::Shiny))
            });
            let face = m.rng.pick(&[light, dark, second]);
            let ink = if face == dark { light } else { dark };
            m.parts.push(Part {
                round: 0.002,
                shadow: 0.0,
                ..Part::new(ellipse(0.0, 0.0, r * 0.82, r * 0.82), Fill::Plain(face, Finish::Dull))
            });
            for i in 0..12 {
                let a = i as f32 / 12.0 * std::f32::consts::TAU;
                let (s, c) = a.sin_cos();
                m.parts.push(Part::line(
                    &[[s * r * 0.62, c * r * 0.62], [s * r * 0.74, c * r * 0.74]],
                    0.0011,
                    Fill::Plain(ink, Finish::Dull),
                ));
            }
            m.parts.push(Part::line(
                &[[0.0, 0.0], [-r * 0.34, -r * 0.3]],
                0.0016,
                Fill::Plain(ink, Finish::Dull),
            ));
            m.parts.push(Part::line(
                &[[0.0, 0.0], [r * 0.4, -r * 0.48]],
                0.0012,
                Fill::Plain(ink, Finish::Dull),
            ));
        }
        Cut::Gloves => {
            let hand = Path::new()
                .k(-0.036, 0.0)
                .s(-0.042, -0.07)
                .s(-0.052, -0.13)
                .s(-0.046, -0.185)
                .s(-0.032, -0.185)
                .s(-0.028, -0.13)
                .k(-0.022, -0.118)
                .s(-0.02, -0.19)
                .s(-0.007, -0.205)
                .s(0.002, -0.19)
                .k(0.003, -0.12)
                .s(0.014, -0.192)
                .s(0.027, -0.192)
                .s(0.029, -0.165)
                .k(0.026, -0.112)
                .s(0.046, -0.15)
                .s(0.056, -0.142)
                .s(0.052, -0.115)
                .s(0.042, -0.085)
                .s(0.066, -0.1)
                .s(0.084, -0.118)
                .s(0.09, -0.105)
                .s(0.07, -0.06)
                .s(0.042, -0.03)
                .k(0.036, 0.0)
                .closed();
            let rib = m.rib();
            let cuff = vec![[-0.038, -0.004], [0.038, -0.004], [0.042, 0.055], [-0.042, 0.055]];
            let mut glove = vec![cloth(hand, 0.014, 0.25, 43)];
            glove.push(Part { round: 0.01, shadow: 0.004, ..Part::new(cuff, rib) });
            let right: Vec<Part> = glove.iter().map(|p| p.flipped()).collect();
            m.parts.extend(glove.iter().map(|p| p.moved(0.105, 0.0, 1.0)));
            m.parts.extend(right.iter().map(|p| p.moved(-0.1, 0.012, 1.0)));
        }
        Cut::Mug => {
            let (w, h) = (0.042, m.rng.range(0.085, 0.105));
            let mut ring = ellipse(w + 0.008, h * 0.5, 0.026, 0.03);
            ring.push(ring[0]);
            m.parts.push(Part { round: 0.004, ..Part::line(&ring, 0.011, Fill::Inside(0.85)) });
            let body = Path::new()
                .k(-w, 0.0)
                .k(w, 0.0)
                .s(w - 0.001, h * 0.8)
                .s(w - 0.008, h)
                .s(0.0, h + 0.007)
                .s(-w + 0.008, h)
                .s(-w + 0.001, h * 0.8)
                .closed();
            let wrap = Frame { ex: [2.2, 0.0], ey: [0.0, 2.2], at: [0.0, 0.12], ..Frame::BODY };
            m.parts.push(Part {
                printed: true,
                frame: wrap,
                round: 0.035,
                id: 45,
                ..Part::new(body, Fill::Cloth)
            });
            m.parts.push(Part {
                shadow: 0.0,
                round: 0.004,
                ..Part::new(ellipse(0.0, 0.0, w, 0.011), Fill::Plain(light, Finish::Satin))
            });
            m.parts.push(Part {
                shadow: 0.0,
                round: 0.006,
                ..Part::new(
                    ellipse(0.0, 0.0015, w - 0.005, 0.008),
                    Fill::Plain(colour::srgb([70, 44, 30]), Finish::Dull),
                )
            });
        }
        Cut::Cushion => {
            let w = 0.21;
            let body = Path::new()
                .k(-w, -w)
                .s(0.0, -w + 0.026)
                .k(w, -w)
                .s(w - 0.026, 0.0)
                .k(w, w)
                .s(0.0, w - 0.022)
                .k(-w, w)
                .s(-w + 0.026, 0.0)
                .closed();
            let rim: Vec<Pt> = body.iter().chain(body.first()).copied().collect();
            m.parts.push(Part {
                printed: true,
                frame: Frame { at: [0.0, 0.22], ..Frame::BODY },
                ..cloth(body, 0.12, 0.5, 46)
            });
            m.parts.push(Part {
                round: 0.004,
                shadow: 0.003,
                ..Part::line(&rim, 0.009, Fill::Plain(second, Finish::Dull))
            });
        }
        Cut::Bottle => {
            let (w, h) = (0.036, m.rng.range(0.2, 0.26));
            let body = Path::new()
                .k(-w * 0.55, 0.0)
                .k(w * 0.55, 0.0)
                .s(w * 0.6, 0.03)
                .s(w, 0.065)
                .k(w, h - 0.01)
                .s(w * 0.9, h)
                .s(-w * 0.9, h)
                .k(-w, h - 0.01)
                .s(-w, 0.065)
                .s(-w * 0.6, 0.03)
                .closed();
            m.parts.push(Part { frame: Frame { ex: [1.6, 0.0], ..frame }, ..cloth(body, 0.03, 0.0, 47) });
            m.parts.push(Part {
                shadow: 0.0,
                round: 0.004,
                ..Part::line(
                    &[[-w * 0.45, 0.08], [-w * 0.45, h - 0.03]],
                    0.006,
                    Fill::Glass([1.0, 1.0, 1.0], 0.45),
                )
            });
            m.parts.push(plain(
                rounded(-w * 0.62, -0.04, w * 0.62, 0.006, 0.006),
                if m.rng.chance(0.5) { dark } else { metal },
                Finish::Satin,
            ));
        }
        Cut::Book => {
            let (w, h) = (m.rng.range(0.07, 0.085), m.rng.range(0.2, 0.23));
            m.parts.push(plain(
                vec![[-w + 0.006, 0.006], [w + 0.01, 0.006], [w + 0.01, h + 0.009], [-w + 0.006, h + 0.009]],
                colour::srgb([236, 230, 214]),
                Finish::Dull,
            ));
            m.parts.push(Part {
                printed: true,
                frame: Frame { at: [0.0, 0.12], ex: [1.3, 0.0], ey: [0.0, 1.3], ..Frame::BODY },
                ..cloth(rounded(-w, 0.0, w, h, 0.004), 0.004, 0.0, 48)
            });
            m.parts.push(Part {
                shadow: 0.0,
                ..Part::line(&[[-w + 0.012, 0.0], [-w + 0.012, h]], 0.004, Fill::Inside(0.6))
            });
            m.parts.push(Part {
                shadow: 0.0,
                ..Part::new(
                    vec![
                        [-w * 0.6, h * 0.82],
                        [w * 0.7, h * 0.82],
                        [w * 0.7, h * 0.82 + 0.008],
                        [-w * 0.6, h * 0.82 + 0.008],
                    ],
                    Fill::Plain(light, Finish::Dull),
                )
            });
            m.parts.push(Part {
                shadow: 0.0,
                ..Part::new(
                    vec![
                        [-w * 0.4, h * 0.9],
                        [w * 0.5, h * 0.9],
                        [w * 0.5, h * 0.9 + 0.004],
                        [-w * 0.4, h * 0.9 + 0.004],
                    ],
                    Fill::Plain(light, Finish::Dull),
                )
            });
        }
        _ => {
            // A lamp: shade, stem, foot.
            let (top, low, tall) = (m.rng.range(0.06, 0.1), m.rng.range(0.12, 0.16), m.rng.range(0.14, 0.19));
            m.parts.push(Part {
                contours: stroke(&[[0.0, tall], [0.0, tall + 0.2]], 0.014),
                ..plain(Vec::new(), metal, Finish::Shiny)
            });
            m.parts.push(plain(
                Path::new()
                    .s(-0.075, tall + 0.21)
                    .s(-0.03, tall + 0.19)
                    .s(0.03, tall + 0.19)
                    .s(0.075, tall + 0.21)
                    .k(0.08, tall + 0.222)
                    .k(-0.08, tall + 0.222)
                    .closed(),
                metal,
                Finish::Satin,
            ));
            let shade = Path::new()
                .k(-top, 0.0)
                .s(0.0, 0.01)
                .k(top, 0.0)
                .k(low, tall)
                .s(0.0, tall + 0.018)
                .k(-low, tall)
                .closed();
            m.parts.push(cloth(shade, 0.04, 0.1, 49));
        }
    }
}
