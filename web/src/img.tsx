/** A picture of the API. Where a key is needed it is fetched with it, since an `<img>` can send none. */
import { useEffect, useRef, useState } from "preact/hooks";
import { call, server } from "./api";

interface Props {
  /** Path of the API, without the server. */
  path: string;
  /** A second path for screens with more pixels, and the widths of both. */
  large?: string;
  widths?: [number, number];
  sizes?: string;
  alt: string;
  class?: string;
  lazy?: boolean;
  width?: number;
  height?: number;
  style?: Record<string, string>;
  onLoad?: (event: Event & { currentTarget: HTMLImageElement }) => void;
}

export function Img({ path, large, widths, sizes, lazy = false, ...rest }: Props) {
  const image = useRef<HTMLImageElement>(null);
  const [url, setUrl] = useState<string>();
  const keyed = server.key !== "";
  useEffect(() => {
    if (!keyed || !image.current) return;
    let made: string | undefined;
    const stop = new AbortController();
    const fetchIt = () => {
      call(path, { signal: stop.signal }).then((answer) => answer.blob()).then((blob) => { made = URL.createObjectURL(blob); setUrl(made); }, () => undefined);
    };
    const watch = new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting)) { watch.disconnect(); fetchIt(); } }, { rootMargin: "400px" });
    if (lazy) watch.observe(image.current);
    else fetchIt();
    return () => { stop.abort(); watch.disconnect(); if (made) URL.revokeObjectURL(made); };
  }, [path, keyed]);
  if (keyed) return <img ref={image} src={url} decoding="async" {...rest} />;
  const at = (one: string) => server.base + one;
  return (
    <img
      src={at(path)} {...(large && widths ? { srcset: `${at(path)} ${widths[0]}w, ${at(large)} ${widths[1]}w`, sizes } : {})}
      loading={lazy ? "lazy" : "eager"} decoding="async" {...rest}
    />
  );
}
