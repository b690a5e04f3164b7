/** A picked file becomes a small upright photo without metadata; photos of this tab are kept for Back and reload. */
import { fetchPicture, Problem, type Box } from "./api";
import type { Source } from "./address";

export interface Photo {
  /** What the search sends: the pixels, or a product's id. */
  image: Blob | string;
  /** For `<img>`. */
  url: string;
  width: number;
  height: number;
}

const LONG_SIDE = 1280;
const MAX_BYTES = 20 << 20;
const KEPT = 6;

const HEIC = ["heic", "heix", "hevc", "heim", "heis", "mif1", "msf1"];

async function refusal(file: Blob): Promise<Problem> {
  const head = new Uint8Array(await file.slice(0, 12).arrayBuffer());
  const brand = String.fromCharCode(...head.slice(4, 12));
  const heic = brand.startsWith("ftyp") && HEIC.includes(brand.slice(4));
  return new Problem(heic ? "heic" : "not_a_picture", "the browser cannot decode this file");
}

function canvasBlob(canvas: HTMLCanvasElement, type: string, quality: number): Promise<Blob> {
  return new Promise((done, failed) =>
    canvas.toBlob((blob) => (blob ? done(blob) : failed(new Problem("not_a_picture", "the canvas gave no picture"))), type, quality),
  );
}

/** Draws the part `box` so that its long side is at most `longSide` pixels. Drawing drops all metadata. */
function draw(bitmap: ImageBitmap | HTMLImageElement | HTMLVideoElement, width: number, height: number, longSide: number, box: Box): HTMLCanvasElement {
  const scale = Math.min(1, longSide / Math.max(width * box.w, height * box.h));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * box.w * scale));
  canvas.height = Math.max(1, Math.round(height * box.h * scale));
  const pen = canvas.getContext("2d");
  if (!pen) throw new Problem("not_a_picture", "no canvas");
  pen.fillStyle = "#fff"; // where the picture is transparent
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(bitmap, box.x * width, box.y * height, box.w * width, box.h * height, 0, 0, canvas.width, canvas.height);
  return canvas;
}

const ALL: Box = { x: 0, y: 0, w: 1, h: 1 };

/** Some files make a browser's decoder fall silent; a person must hear of them nevertheless. */
const DECODING_MS = 20_000;

function decoded(file: Blob): Promise<ImageBitmap> {
  const late = new Promise<never>((_, failed) => setTimeout(failed, DECODING_MS, new Error("the browser does not answer")));
  return Promise.race([createImageBitmap(file, { imageOrientation: "from-image" }), late]);
}

/** At most 1,280 px on the long side, upright, without metadata. */
export async function shrink(file: Blob): Promise<Photo> {
  if (file.size > 4 * MAX_BYTES) throw new Problem("picture_too_large", "too many bytes to open");
  let bitmap: ImageBitmap;
  try {
    bitmap = await decoded(file);
  } catch {
    throw await refusal(file);
  }
  const canvas = draw(bitmap, bitmap.width, bitmap.height, LONG_SIDE, ALL);
  bitmap.close();
  return photoOf(await canvasBlob(canvas, "image/jpeg", 0.9), canvas.width, canvas.height);
}

/** A still of the camera's live picture. */
export async function still(video: HTMLVideoElement): Promise<Photo> {
  const canvas = draw(video, video.videoWidth, video.videoHeight, LONG_SIDE, ALL);
  return photoOf(await canvasBlob(canvas, "image/jpeg", 0.92), canvas.width, canvas.height);
}

const photoOf = (image: Blob, width: number, height: number): Photo => ({ image, url: URL.createObjectURL(image), width, height });

function measured(url: string): Promise<HTMLImageElement> {
  return new Promise((done, failed) => {
    const image = new Image();
    image.onload = () => done(image);
    image.onerror = () => failed(new Problem("gone", "the picture cannot be loaded"));
    image.src = url;
  });
}

/** A catalogue picture as the query. `path`: of the API. */
export async function fromCatalogue(product: string, path: string): Promise<Photo> {
  const url = URL.createObjectURL(await fetchPicture(path));
  const { naturalWidth, naturalHeight } = await measured(url);
  return { image: product, url, width: naturalWidth, height: naturalHeight };
}

export const fromAddress = async (path: string): Promise<Photo> => shrink(await fetchPicture(path));

// Photos of this tab, newest last: in memory for Back, and as text in sessionStorage for a reload. Both end with the tab.
const kept = new Map<string, Photo>();

export async function keep(photo: Photo): Promise<Source> {
  const key = Array.from(crypto.getRandomValues(new Uint8Array(6)), (b) => b.toString(16).padStart(2, "0")).join("");
  kept.set(key, photo);
  for (const old of kept.keys()) if (kept.size > KEPT) { URL.revokeObjectURL(kept.get(old)!.url); kept.delete(old); }
  if (photo.image instanceof Blob) {
    try {
      for (const name of Object.keys(sessionStorage).filter((name) => name.startsWith("photo-")).slice(KEPT - 1)) sessionStorage.removeItem(name);
      sessionStorage.setItem(`photo-${key}`, await base64(photo.image));
    } catch {
      // Full or forbidden: a reload will then ask for the photo again.
    }
  }
  return { kind: "photo", key };
}

export async function recall(key: string): Promise<Photo> {
  const here = kept.get(key);
  if (here) return here;
  let text: string | null = null;
  try {
    text = sessionStorage.getItem(`photo-${key}`);
  } catch {
    // Forbidden.
  }
  if (!text) throw new Problem("gone", "the photo is not in this tab any more");
  const photo = await shrink(bytes(text));
  kept.set(key, photo);
  return photo;
}

async function base64(blob: Blob): Promise<string> {
  let text = "";
  for (const byte of new Uint8Array(await blob.arrayBuffer())) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function bytes(text: string): Blob {
  try {
    return new Blob([Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0))], { type: "image/jpeg" });
  } catch {
    throw new Problem("gone", "the link is not whole");
  }
}

/** The searched part as a few kilobytes of text: enough for the same search, too little for anything else. */
export async function linkData(photo: Photo, box: Box): Promise<string> {
  const image = await measured(photo.url);
  const grown = { x: Math.max(0, box.x - box.w * 0.1), y: Math.max(0, box.y - box.h * 0.1), w: 0, h: 0 };
  grown.w = Math.min(1, box.x + box.w * 1.1) - grown.x;
  grown.h = Math.min(1, box.y + box.h * 1.1) - grown.y;
  const canvas = draw(image, image.naturalWidth, image.naturalHeight, 224, grown);
  return base64(await canvasBlob(canvas, "image/jpeg", 0.6));
}

export const fromLink = (data: string): Promise<Photo> => shrink(bytes(data));
