import type { PageProps } from "./admin";
export function IndexHealth(_: PageProps) { return <p />; }
