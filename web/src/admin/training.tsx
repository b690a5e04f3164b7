import type { PageProps } from "./admin";
export function Training(_: PageProps) { return <p />; }
