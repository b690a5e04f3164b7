import type { PageProps } from "./admin";
export function Quality(_: PageProps) { return <p />; }
