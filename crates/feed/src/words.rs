//! Words of many shops for what can be bought, in what state, and by what names options and columns go.

use twinset_catalogue::{Availability, Condition};

/// Letters and digits only, in small letters: `In_Stock`, `in stock` and `InStock` are one word.
fn folded(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether it can be bought; `None`: the words are not known.
pub(crate) fn availability(text: &str) -> Option<Availability> {
    use Availability::{Backorder, InStock, OutOfStock, Preorder};
    // https://schema.org/InStock
    let text = text.trim().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    Some(match folded(text).as_str() {
        "instock"
        | "available"
        | "availablefororder"
        | "limitedavailability"
        | "onlineonly"
        | "instoreonly"
        | "true"
        | "yes"
        | "y"
        | "1"
        | "auflager"
        | "lieferbar"
        | "verfügbar"
        | "sofortlieferbar"
        | "vorrätig"
        | "enstock"
        | "disponible"
        | "enexistencia"
        | "disponibile"
        | "opvoorraad"
        | "ilager"
        | "pålager"
        | "dostępny"
        | "wmagazynie"
        | "emestoque"
        | "emstock"
        | "disponível"
        | "vnaličii"
        | "вналичии"
        | "在庫あり"
        | "在庫有り"
        | "販売中"
        | "재고있음"
        | "판매중"
        | "구매가능"
        | "有货"
        | "有貨"
        | "现货"
        | "現貨"
        | "有库存"
        | "有庫存"
        | "在售" => InStock,
        "outofstock"
        | "soldout"
        | "discontinued"
        | "unavailable"
        | "notavailable"
        | "false"
        | "no"
        | "n"
        | "0"
        | "nichtauflager"
        | "ausverkauft"
        | "nichtverfügbar"
        | "nichtvorrätig"
        | "nichtlieferbar"
        | "rupturedestock"
        | "enrupturedestock"
        | "épuisé"
        | "indisponible"
        | "agotado"
        | "sinexistencias"
        | "nodisponible"
        | "esaurito"
        | "nondisponibile"
        | "nietopvoorraad"
        | "uitverkocht"
        | "slutilager"
        | "slutsåld"
        | "ikkepålager"
        | "udsolgt"
        | "utsolgt"
        | "niedostępny"
        | "brakwmagazynie"
        | "esgotado"
        | "semestoque"
        | "foradeestoque"
        | "нетвналичии"
        | "在庫なし"
        | "在庫切れ"
        | "在庫無し"
        | "売り切れ"
        | "売切れ"
        | "完売"
        | "재고없음"
        | "품절"
        | "판매종료"
        | "缺货"
        | "缺貨"
        | "无货"
        | "無貨"
        | "售罄"
        | "无库存"
        | "無庫存"
        | "下架" => OutOfStock,
        "preorder" | "presale" | "vorbestellt" | "vorbestellbar" | "vorbestellung" | "précommande"
        | "reserva" | "preventa" | "preordine" | "prenotazione" | "予約" | "予約受付中" | "予約注文"
        | "예약주문" | "예약판매" | "선주문" | "预购" | "預購" | "预售" | "預售" | "предзаказ" => {
            Preorder
        }
        "backorder" | "backordered" | "onbackorder" | "notify" | "madetoorder" | "nachbestellt"
        | "nachbestellbar" | "bajopedido" | "surcommande" | "入荷待ち" | "お取り寄せ" | "取り寄せ"
        | "取寄せ" | "입고예정" | "주문제작" | "延期交货" | "延期交貨" | "补货中" | "補貨中" => {
            Backorder
        }
        _ => return None,
    })
}

/// New, refurbished or used; `None`: the words are not known.
pub(crate) fn condition(text: &str) -> Option<Condition> {
    let text = text.trim().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    Some(match folded(text).as_str() {
        "new" | "newcondition" | "neu" | "neuf" | "nuevo" | "nuovo" | "nieuw" | "novo" | "ny" | "nowy"
        | "новый" | "新品" | "新品未使用" | "새상품" | "신품" | "새제품" | "全新" | "新" => {
            Condition::New
        }
        "refurbished"
        | "refurbishedcondition"
        | "generalüberholt"
        | "reconditionné"
        | "reacondicionado"
        | "ricondizionato"
        | "再生品"
        | "整備済み"
        | "整備済み品"
        | "리퍼비시"
        | "리퍼"
        | "翻新" => Condition::Refurbished,
        "used" | "usedcondition" | "damagedcondition" | "gebraucht" | "occasion" | "doccasion" | "usado"
        | "usato" | "gebruikt" | "begagnad" | "używany" | "бу" | "中古" | "중고" | "二手" | "secondhand"
        | "preowned" => Condition::Used,
        _ => return None,
    })
}

/// Which of our lists an option or attribute of a shop belongs to: `color`, `size`, `material`, `pattern`, `gender`,
/// `age_group`.
pub(crate) fn option(name: &str) -> Option<&'static str> {
    let name = folded(name);
    // WooCommerce calls its own taxonomies `pa_color`.
    let name = name.strip_prefix("pa").filter(|rest| !rest.is_empty() && name != "pattern").map_or(
        name.as_str(),
        |rest| {
            if matches!(rest, "ttern" | "tterns") { name.as_str() } else { rest }
        },
    );
    Some(match name {
        "color" | "colour" | "colors" | "colours" | "farbe" | "farben" | "couleur" | "colore" | "kleur"
        | "cor" | "färg" | "farve" | "farge" | "kolor" | "цвет" | "색상" | "색깔" | "컬러" | "칼라"
        | "색" | "颜色" | "顏色" | "颜色分类" | "色" | "色彩" | "カラー" | "色合い" => {
            "color"
        }
        "size" | "sizes" | "größe" | "groesse" | "grösse" | "taille" | "talla" | "tamaño" | "taglia"
        | "maat" | "tamanho" | "storlek" | "størrelse" | "rozmiar" | "размер" | "사이즈" | "크기"
        | "치수" | "尺码" | "尺碼" | "尺寸" | "大小" | "サイズ" | "shoesize" | "schuhgröße" => {
            "size"
        }
        "material" | "materials" | "fabric" | "stoff" | "matière" | "matériau" | "tela" | "materiale"
        | "materiaal" | "tessuto" | "materiał" | "материал" | "소재" | "재질" | "원단" | "材质" | "材質"
        | "面料" | "素材" | "生地" | "composition" => "material",
        "pattern" | "patterns" | "muster" | "motif" | "estampado" | "fantasia" | "patroon" | "무늬"
        | "패턴" | "图案" | "圖案" | "花纹" | "柄" | "模様" => "pattern",
        "gender" | "geschlecht" | "genre" | "sexe" | "género" | "genere" | "성별" | "性别" | "性別"
        | "targetgender" => "gender",
        "agegroup" | "altersgruppe" | "연령대" | "年龄段" | "年齢層" => "age_group",
        _ => return None,
    })
}

/// What a column of an unknown table is in the words of Google Merchant feeds, by its usual names; best first.
pub(crate) const USUAL: [(&str, &[&str]); 14] = [
    (
        "id",
        &[
            "productid",
            "itemid",
            "offerid",
            "articleid",
            "sku",
            "articlenumber",
            "artikelnummer",
            "artnr",
            "productcode",
            "code",
            "handle",
            "referencia",
            "reference",
            "상품번호",
            "상품코드",
            "品番",
            "商品番号",
            "商品コード",
            "商品编号",
            "商品編號",
            "商品id",
            "货号",
            "編號",
            "编号",
            "identifiant",
        ],
    ),
    (
        "title",
        &[
            "name",
            "productname",
            "producttitle",
            "itemname",
            "titel",
            "bezeichnung",
            "titre",
            "título",
            "titolo",
            "nom",
            "nombre",
            "nome",
            "상품명",
            "제목",
            "商品名",
            "タイトル",
            "商品名称",
            "商品名稱",
            "标题",
            "標題",
            "名称",
            "名稱",
        ],
    ),
    (
        "description",
        &[
            "longdescription",
            "productdescription",
            "shortdescription",
            "bodyhtml",
            "beschreibung",
            "descripción",
            "descrizione",
            "상품설명",
            "설명",
            "説明",
            "商品説明",
            "描述",
            "商品描述",
            "desc",
        ],
    ),
    (
        "link",
        &[
            "url",
            "producturl",
            "productlink",
            "deeplink",
            "permalink",
            "productpage",
            "lien",
            "enlace",
            "상품url",
            "링크",
            "商品url",
            "リンク",
            "链接",
            "連結",
            "商品链接",
        ],
    ),
    (
        "image_link",
        &[
            "image",
            "imageurl",
            "images",
            "imagesrc",
            "img",
            "imgurl",
            "picture",
            "pictureurl",
            "pictures",
            "photo",
            "photourl",
            "mainimage",
            "baseimage",
            "image1",
            "imageurl1",
            "bildlink",
            "bild",
            "bildurl",
            "lienimage",
            "liendelimage",
            "enlaceimagen",
            "imagen",
            "immagine",
            "linkimmagine",
            "이미지",
            "이미지링크",
            "이미지url",
            "대표이미지",
            "画像",
            "画像リンク",
            "商品画像url",
            "商品画像",
            "图片",
            "圖片",
            "图片链接",
            "主图",
            "图片地址",
            "thumbnail",
        ],
    ),
    (
        "additional_image_link",
        &[
            "additionalimages",
            "additionalimage",
            "additionalimageurl",
            "additionalimageurls",
            "otherimages",
            "moreimages",
            "gallery",
            "galleryimages",
            "zusätzlicherbildlink",
            "weiterebilder",
            "추가이미지",
            "추가이미지링크",
            "追加画像",
            "追加の画像リンク",
            "附加图片",
            "其他图片",
        ],
    ),
    (
        "availability",
        &[
            "stockstatus",
            "instock",
            "isinstock",
            "verfügbarkeit",
            "disponibilité",
            "disponibilidad",
            "disponibilità",
            "재고상태",
            "재고여부",
            "판매상태",
            "在庫",
            "在庫状況",
            "库存状态",
            "庫存狀態",
            "有无库存",
        ],
    ),
    (
        "price",
        &[
            "regularprice",
            "listprice",
            "unitprice",
            "preis",
            "prix",
            "precio",
            "prezzo",
            "preço",
            "가격",
            "판매가",
            "정상가",
            "価格",
            "販売価格",
            "价格",
            "價格",
            "售价",
        ],
    ),
    (
        "sale_price",
        &[
            "specialprice",
            "saleprice",
            "discountprice",
            "offerprice",
            "sonderangebotspreis",
            "angebotspreis",
            "prixsoldé",
            "preciooferta",
            "할인가",
            "세일가",
            "セール価格",
            "特価",
            "促销价",
            "優惠價",
            "特价",
        ],
    ),
    (
        "brand",
        &[
            "manufacturer",
            "vendor",
            "maker",
            "marke",
            "hersteller",
            "marque",
            "marca",
            "브랜드",
            "제조사",
            "ブランド",
            "メーカー",
            "品牌",
        ],
    ),
    (
        "item_group_id",
        &["groupid", "parentid", "parentsku", "itemgroup", "productgroupid", "modelid", "artikelgruppe"],
    ),
    (
        "product_type",
        &[
            "category",
            "categories",
            "categorypath",
            "producttype",
            "kategorie",
            "catégorie",
            "categoría",
            "categoria",
            "카테고리",
            "カテゴリ",
            "カテゴリー",
            "商品カテゴリ",
            "类目",
            "分类",
            "分類",
            "类别",
        ],
    ),
    ("gtin", &["ean", "ean13", "upc", "barcode", "isbn", "jan", "gtin13", "strichcode", "바코드", "条码"]),
    ("tags", &["tag", "keywords", "metakeywords", "schlagworte", "태그", "タグ", "标签"]),
];

/// The name in a Google Merchant feed of a column by one of its usual names; the lower the number the surer.
pub(crate) fn usual(column: &str) -> Option<(&'static str, usize)> {
    let column = folded(column);
    USUAL.iter().find_map(|(ours, names)| {
        if folded(ours) == column {
            return Some((*ours, 0));
        }
        names.iter().position(|name| *name == column).map(|at| (*ours, at + 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_known_in_any_spelling() {
        for text in [
            "in stock",
            "in_stock",
            "InStock",
            "https://schema.org/InStock",
            "http://schema.org/InStock/",
            "available for order",
            "auf Lager",
            "在庫あり",
            "재고 있음",
            "有货",
        ] {
            assert_eq!(availability(text), Some(Availability::InStock), "{text}");
        }
        for text in ["out of stock", "OutOfStock", "SoldOut", "품절", "在庫切れ", "售罄", "nicht auf Lager"]
        {
            assert_eq!(availability(text), Some(Availability::OutOfStock), "{text}");
        }
        assert_eq!(availability("PreOrder"), Some(Availability::Preorder));
        assert_eq!(availability("backorder"), Some(Availability::Backorder));
        assert_eq!(availability("perhaps"), None);
        assert_eq!(condition("https://schema.org/UsedCondition"), Some(Condition::Used));
        assert_eq!(condition("Neu"), Some(Condition::New));
    }

    #[test]
    fn options_are_known_in_our_languages() {
        for name in ["Color", "Colour", "Farbe", "pa_color", "색상", "颜色", "カラー"] {
            assert_eq!(option(name), Some("color"), "{name}");
        }
        assert_eq!(option("Pattern"), Some("pattern"));
        assert_eq!(option("pa_size"), Some("size"));
        assert_eq!(option("サイズ"), Some("size"));
        assert_eq!(option("Scent"), None);
    }

    #[test]
    fn columns_are_known_by_usual_names() {
        assert_eq!(usual("image link"), Some(("image_link", 0)));
        assert_eq!(usual("Bildlink").map(|u| u.0), Some("image_link"));
        assert_eq!(usual("상품명").map(|u| u.0), Some("title"));
        assert_eq!(usual("weight"), None);
        let mut seen = std::collections::HashSet::new();
        assert!(
            USUAL
                .iter()
                .flat_map(|(_, names)| names.iter())
                .all(|name| folded(name) == **name && seen.insert(*name))
        );
    }
}
