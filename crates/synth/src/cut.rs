//! Cuts: silhouettes with their parts, as outlines in metres on a standing body.
//!
//! A cut's numbers (widths, lengths, necks, pockets) come from the shape seed; the pose (arms, legs,
//! worn or flat, front or back) comes from the view. Parts are listed in the order of painting.

mod accessories;
mod feet;
mod lower;
mod torso;

use crate::cloth::Family;
use crate::colour::Rgb;
use crate::draw::ViewKind;
use crate::outline::{self, Pt};
use crate::rng::Rng;
use crate::spec::Category;
use serde::{Deserialize, Serialize};

/// A silhouette.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Cut {
    Tee,
    LongSleeve,
    Tank,
    Shirt,
    Polo,
    Blouse,
    Sweater,
    Hoodie,
    Bomber,
    Blazer,
    Coat,
    Puffer,
    Sheath,
    FlaredDress,
    ShirtDress,
    SlipDress,
    MiniSkirt,
    PencilSkirt,
    PleatedSkirt,
    MaxiSkirt,
    Jeans,
    WideTrousers,
    Chinos,
    Joggers,
    Shorts,
    Bermudas,
    Sneakers,
    Boots,
    Pumps,
    Sandals,
    Tote,
    ShoulderBag,
    Backpack,
    Cap,
    Beanie,
    BrimHat,
    Scarf,
    Belt,
    Sunglasses,
    Necklace,
    Watch,
    Socks,
    Tights,
    Gloves,
    Mug,
    Cushion,
    Bottle,
    Book,
    Lamp,
}

/// Where on the person a cut is worn; scenes dress a person from these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Upper,
    Over,
    Whole,
    Lower,
    Legs,
    Feet,
    Carried,
    Head,
    Neck,
    Waist,
    Face,
    Hands,
    Apart,
}

impl Cut {
    /// All cuts.
    pub const ALL: &[Cut] = {
        use Cut::*;
        &[
            Tee,
            LongSleeve,
            Tank,
            Shirt,
            Polo,
            Blouse,
            Sweater,
            Hoodie,
            Bomber,
            Blazer,
            Coat,
            Puffer,
            Sheath,
            FlaredDress,
            ShirtDress,
            SlipDress,
            MiniSkirt,
            PencilSkirt,
            PleatedSkirt,
            MaxiSkirt,
            Jeans,
            WideTrousers,
            Chinos,
            Joggers,
            Shorts,
            Bermudas,
            Sneakers,
            Boots,
            Pumps,
            Sandals,
            Tote,
            ShoulderBag,
            Backpack,
            Cap,
            Beanie,
            BrimHat,
            Scarf,
            Belt,
            Sunglasses,
            Necklace,
            Watch,
            Socks,
            Tights,
            Gloves,
            Mug,
            Cushion,
            Bottle,
            Book,
            Lamp,
        ]
    };

    /// The category it belongs to.
    #[must_use]
    pub fn category(self) -> Category {
        use Cut::*;
        match self {
            Tee | LongSleeve | Tank | Shirt | Polo | Blouse | Sweater | Hoodie => Category::Top,
            Bomber | Blazer | Coat | Puffer => Category::Outerwear,
            Sheath | FlaredDress | ShirtDress | SlipDress => Category::Dress,
            MiniSkirt | PencilSkirt | PleatedSkirt | MaxiSkirt => Category::Skirt,
            Jeans | WideTrousers | Chinos | Joggers => Category::Trousers,
            Shorts | Bermudas => Category::Shorts,
            Sneakers | Boots | Pumps | Sandals => Category::Footwear,
            Tote | ShoulderBag | Backpack => Category::Bag,
            Cap | Beanie | BrimHat => Category::Hat,
            Scarf => Category::Scarf,
            Belt => Category::Belt,
            Sunglasses => Category::Eyewear,
            Necklace | Watch => Category::Jewellery,
            Socks | Tights => Category::Legwear,
            Gloves => Category::Gloves,
            Mug | Cushion | Bottle | Book | Lamp => Category::Item,
        }
    }

    pub(crate) fn place(self) -> Place {
        use Cut::*;
        match self {
            Tee | LongSleeve | Tank | Shirt | Polo | Blouse | Sweater | Hoodie => Place::Upper,
            Bomber | Blazer | Coat | Puffer => Place::Over,
            Sheath | FlaredDress | ShirtDress | SlipDress => Place::Whole,
            MiniSkirt | PencilSkirt | PleatedSkirt | MaxiSkirt | Jeans | WideTrousers | Chinos | Joggers
            | Shorts | Bermudas => Place::Lower,
            Tights | Socks => Place::Legs,
            Sneakers | Boots | Pumps | Sandals => Place::Feet,
            Tote | ShoulderBag => Place::Carried,
            Cap | Beanie | BrimHat => Place::Head,
            Scarf | Necklace => Place::Neck,
            Belt => Place::Waist,
            Sunglasses => Place::Face,
            Gloves => Place::Hands,
            Backpack | Watch | Mug | Cushion | Bottle | Book | Lamp => Place::Apart,
        }
    }

    /// Whether the cut has a folded view of its own.
    pub(crate) fn folds(self) -> bool {
        matches!(self.category(), Category::Top | Category::Trousers | Category::Shorts)
            || matches!(self, Cut::Bomber)
    }

    pub(crate) fn sample(rng: &mut Rng) -> Cut {
        use Category::*;
        // Half the products are main garments, as in shops; each cut of a category is as likely.
        let category = rng.weighted(&[
            (Top, 22.0),
            (Outerwear, 9.0),
            (Dress, 10.0),
            (Skirt, 7.0),
            (Trousers, 11.0),
            (Shorts, 5.0),
            (Footwear, 9.0),
            (Bag, 7.0),
            (Hat, 4.0),
            (Scarf, 3.0),
            (Belt, 1.5),
            (Eyewear, 1.5),
            (Jewellery, 2.0),
            (Legwear, 2.0),
            (Gloves, 1.5),
            (Item, 4.5),
        ]);
        let fitting: Vec<Cut> = Cut::ALL.iter().copied().filter(|c| c.category() == category).collect();
        rng.pick(&fitting)
    }

    /// How likely the cut is made of `family`; 0 never.
    pub(crate) fn wears(self, family: Family) -> f32 {
        use Family::*;
        let yes = |b: bool| if b { 1.0 } else { 0.0 };
        match self {
            Cut::Jeans => match family {
                Indigo | Washed => 8.0,
                Plain | Camo | Digital | Slub => 0.4,
                _ => 0.0,
            },
            Cut::Chinos | Cut::Joggers => match family {
                Plain | Heather | Slub => 1.5,
                Pinstripe | Tartan | Houndstooth | Windowpane | Camo | Digital | Argyle => 0.8,
                Chevron | Ribbed | TieDye | Spiral => 0.4,
                _ => 0.0,
            },
            Cut::Sweater => match family {
                Jersey | Cable | FairIsle | Ribbed => 4.0,
                Heather | Breton | Variegated | Argyle | Chevron | Blocks => 1.0,
                Leather | Lacework | Eyelet | Indigo | Washed | Scenic | Sequins => 0.0,
                _ => 0.25,
            },
            Cut::Beanie | Cut::Gloves | Cut::Socks => match family {
                Jersey | Ribbed | FairIsle => 3.0,
                Cable => 1.5,
                Plain | Heather | Slub | Breton | Chevron | Argyle | Polka => 1.0,
                _ => 0.1,
            },
            Cut::Tights => match family {
                Plain | Slub => 3.0,
                Lacework | Eyelet | Polka | Leopard | Snake | Argyle => 1.0,
                _ => 0.0,
            },
            Cut::Boots | Cut::Pumps | Cut::Belt | Cut::Sandals | Cut::Watch => match family {
                Leather => 4.0,
                Plain | Slub => 1.2,
                Snake | Leopard => 1.0,
                Zebra | Waves | Terrazzo => 0.3,
                _ => 0.0,
            },
            Cut::ShoulderBag => match family {
                Leather => 4.0,
                Emblem | Scenic | Letters | Totem | Jersey | Cable | Lacework | Eyelet => 0.0,
                Plain => 0.8,
                _ => 0.5,
            },
            Cut::Sunglasses | Cut::Necklace | Cut::Lamp | Cut::Bottle => {
                yes(matches!(family, Plain | Leopard | Slub | Snake | Waves | Terrazzo | Memphis | Breton))
            }
            Cut::Blazer | Cut::Coat => match family {
                Plain | Heather | Slub => 1.5,
                Houndstooth | Tartan | Windowpane | Pinstripe | Argyle | Chevron => 1.2,
                Leopard | Snake | Leather | Indigo | Washed => 0.6,
                _ => 0.0,
            },
            Cut::Puffer => yes(!matches!(
                family,
                Emblem
                    | Scenic
                    | Letters
                    | Totem
                    | Jersey
                    | Cable
                    | Ribbed
                    | FairIsle
                    | Lacework
                    | Eyelet
                    | Indigo
                    | Washed
            )),
            Cut::Bomber => match family {
                Leather | Indigo | Washed => 2.0,
                Emblem | Scenic | Letters | Totem | Lacework | Eyelet | Cable | FairIsle => 0.0,
                _ => 0.7,
            },
            _ => match family {
                Leather => 0.0,
                Cable | FairIsle => yes(matches!(self, Cut::Scarf | Cut::Cushion)),
                Emblem | Scenic | Letters | Totem => {
                    yes(matches!(
                        self,
                        Cut::Tee
                            | Cut::LongSleeve
                            | Cut::Tank
                            | Cut::Hoodie
                            | Cut::Tote
                            | Cut::Mug
                            | Cut::Cushion
                            | Cut::Book
                    )) * 1.6
                }
                Lacework | Eyelet => yes(matches!(
                    self,
                    Cut::Blouse
                        | Cut::Tank
                        | Cut::Sheath
                        | Cut::FlaredDress
                        | Cut::SlipDress
                        | Cut::MiniSkirt
                        | Cut::PencilSkirt
                )),
                Indigo | Washed => yes(matches!(
                    self,
                    Cut::Shorts
                        | Cut::Bermudas
                        | Cut::MiniSkirt
                        | Cut::PencilSkirt
                        | Cut::Shirt
                        | Cut::ShirtDress
                        | Cut::Tote
                        | Cut::Cap
                )),
                _ => 1.0,
            },
        }
    }
}

/// How a plain part is finished.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Finish {
    /// Dull cloth or skin.
    Dull,
    /// Ribbed knit, ribs along v.
    Rib,
    /// Leather, rubber, satin: a soft highlight.
    Satin,
    /// Metal, glass, patent: a sharp highlight.
    Shiny,
    /// Strands along v.
    Hair,
}

/// What fills a part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fill {
    /// The product's cloth.
    Cloth,
    /// The cloth in shadow: linings and insides, `shade` times as bright.
    Inside(f32),
    Plain(Rgb, Finish),
    /// Plain and see-through, with this opacity.
    Glass(Rgb, f32),
}

/// Material coordinates from metres: `u = (p - o) . ex + at`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub o: Pt,
    pub ex: Pt,
    pub ey: Pt,
    pub at: Pt,
}

impl Frame {
    pub(crate) const BODY: Frame = Frame { o: [0.0, 0.0], ex: [1.0, 0.0], ey: [0.0, 1.0], at: [0.0, 0.0] };
    pub(crate) fn uv(&self, p: Pt) -> Pt {
        let d = [p[0] - self.o[0], p[1] - self.o[1]];
        [
            d[0] * self.ex[0] + d[1] * self.ex[1] + self.at[0],
            d[0] * self.ey[0] + d[1] * self.ey[1] + self.at[1],
        ]
    }
}

/// Folds pressed into a part: `n` pleats between waist and hem.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pleats {
    pub n: f32,
    pub top: (f32, f32),
    pub bottom: (f32, f32),
    pub sharp: bool,
}

/// One painted piece.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub contours: Vec<Vec<Pt>>,
    pub fill: Fill,
    pub frame: Frame,
    /// How far from the edge a part still bends away, metres.
    pub round: f32,
    /// Strength of soft folds, 0..=1.
    pub fold: f32,
    /// Direction of the folds, radians from vertical.
    pub lean: f32,
    /// Reach of the soft shadow on what lies beneath, metres; 0 for none.
    pub shadow: f32,
    pub printed: bool,
    pub pleats: Option<Pleats>,
    /// Names the part in texel maps; equal for the same part in every view. 0 = detail without texels.
    pub id: u8,
}

impl Part {
    pub(crate) fn new(outline: Vec<Pt>, fill: Fill) -> Self {
        Part {
            contours: vec![outline],
            fill,
            frame: Frame::BODY,
            round: 0.02,
            fold: 0.0,
            lean: 0.0,
            shadow: 0.012,
            printed: false,
            pleats: None,
            id: 0,
        }
    }
    /// A thin line drawn on the surface: a seam, a stitch row, a cord.
    pub(crate) fn line(points: &[Pt], width: f32, fill: Fill) -> Self {
        Part {
            contours: outline::stroke(points, width),
            round: width * 0.5,
            shadow: 0.0,
            ..Part::new(Vec::new(), fill)
        }
    }
    pub(crate) fn stitches(points: &[Pt], fill: Fill) -> Self {
        Part {
            contours: outline::dashes(points, 0.0022, 0.006),
            round: 0.0,
            shadow: 0.0,
            ..Part::new(Vec::new(), fill)
        }
    }
    pub(crate) fn flipped(&self) -> Part {
        let f = self.frame;
        Part {
            contours: self.contours.iter().map(|c| outline::flip(c)).collect(),
            frame: Frame {
                o: [-f.o[0], f.o[1]],
                ex: [-f.ex[0], f.ex[1]],
                ey: [-f.ey[0], f.ey[1]],
                at: [f.at[0] + 0.4, f.at[1]],
            },
            lean: -self.lean,
            id: if self.id == 0 { 0 } else { self.id + 32 },
            ..self.clone()
        }
    }
    /// Scaled by `k` about the origin, then moved; material coordinates stay.
    pub(crate) fn moved(&self, dx: f32, dy: f32, k: f32) -> Part {
        let f = self.frame;
        Part {
            contours: self
                .contours
                .iter()
                .map(|c| c.iter().map(|p| [p[0] * k + dx, p[1] * k + dy]).collect())
                .collect(),
            frame: Frame {
                o: [f.o[0] * k + dx, f.o[1] * k + dy],
                ex: [f.ex[0] / k, f.ex[1] / k],
                ey: [f.ey[0] / k, f.ey[1] / k],
                at: f.at,
            },
            round: self.round * k,
            shadow: self.shadow * k,
            ..self.clone()
        }
    }
}

/// How the garment lies or hangs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pose {
    pub kind: ViewKind,
    /// Angle of the arms off the body, radians.
    pub arm: f32,
    /// Further turn at the elbow, radians.
    pub elbow: f32,
    /// Half the gap between the legs at the ankle, metres.
    pub stance: f32,
}

impl Pose {
    pub(crate) fn sample(kind: ViewKind, rng: &mut Rng) -> Pose {
        match kind {
            ViewKind::Worn => Pose {
                kind,
                arm: rng.range(0.13, 0.36),
                elbow: rng.range(-0.22, 0.05),
                stance: rng.range(0.07, 0.12),
            },
            ViewKind::Hanger => {
                Pose { kind, arm: rng.range(0.12, 0.26), elbow: 0.0, stance: rng.range(0.06, 0.1) }
            }
            _ => Pose {
                kind,
                arm: rng.range(0.42, 0.72),
                elbow: rng.range(-0.25, 0.1),
                stance: rng.range(0.09, 0.16),
            },
        }
    }
    pub(crate) fn worn(&self) -> bool {
        self.kind == ViewKind::Worn
    }
    pub(crate) fn back(&self) -> bool {
        self.kind == ViewKind::Back
    }
    /// How much narrower a garment is around a body than flat.
    pub(crate) fn ease(&self) -> f32 {
        if self.worn() { 0.86 } else { 1.0 }
    }
}

/// The dress-maker's tools: the parts so far, the colours, chance.
pub(crate) struct Maker {
    pub parts: Vec<Part>,
    pub rng: Rng,
    pub pose: Pose,
    pub ground: Rgb,
    pub trims: [Rgb; 5],
    pub family: Family,
}

impl Maker {
    /// A seam: a thin line darker than the cloth.
    pub(crate) fn seam(&mut self, points: &[Pt]) {
        self.parts.push(Part::line(points, 0.0026, Fill::Inside(0.62)));
    }
    /// A row of stitches in the second colour on denim, else in a shade of the cloth.
    pub(crate) fn stitch(&mut self, points: &[Pt]) {
        let denim = matches!(self.family, Family::Indigo | Family::Washed);
        let fill = if denim {
            Fill::Plain(crate::colour::srgb([206, 142, 66]), Finish::Dull)
        } else {
            Fill::Inside(0.7)
        };
        self.parts.push(Part::stitches(points, fill));
    }
    pub(crate) fn button(&mut self, x: f32, y: f32, r: f32, colour: Rgb) {
        let mut disc = Part::new(outline::ellipse(x, y, r, r), Fill::Plain(colour, Finish::Satin));
        disc.round = r * 0.6;
        disc.shadow = 0.004;
        self.parts.push(disc);
        self.parts.push(Part {
            shadow: 0.0,
            ..Part::new(
                outline::ellipse(x, y, r * 0.28, r * 0.28),
                Fill::Plain(crate::colour::scale(colour, 0.45), Finish::Dull),
            )
        });
    }
    pub(crate) fn both(&mut self, part: Part) {
        let other = part.flipped();
        self.parts.push(part);
        self.parts.push(other);
    }
    /// Ribbing for cuffs and hems: the ground a little darker or a trim colour.
    pub(crate) fn rib(&self) -> Fill {
        Fill::Plain(crate::colour::scale(self.ground, 0.86), Finish::Rib)
    }
}

/// The parts of a cut in a pose, bottom first.
pub(crate) fn build(
    cut: Cut,
    shape_seed: u64,
    family: Family,
    ground: Rgb,
    trims: [Rgb; 5],
    pose: Pose,
) -> Vec<Part> {
    let rng = Rng::keyed(&[0xC07, shape_seed, cut as u64]);
    let mut maker = Maker { parts: Vec::with_capacity(24), rng, pose, ground, trims, family };
    use Cut::*;
    match cut {
        Tee | LongSleeve | Tank | Shirt | Polo | Blouse | Sweater | Hoodie | Bomber | Blazer | Coat
        | Puffer | Sheath | FlaredDress | ShirtDress | SlipDress => torso::make(&mut maker, cut),
        MiniSkirt | PencilSkirt | PleatedSkirt | MaxiSkirt | Jeans | WideTrousers | Chinos | Joggers
        | Shorts | Bermudas | Tights => lower::make(&mut maker, cut),
        Sneakers | Boots | Pumps | Sandals | Socks => feet::make(&mut maker, cut),
        _ => accessories::make(&mut maker, cut),
    }
    maker.parts
}
