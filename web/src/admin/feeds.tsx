import type { PageProps } from "./admin";
export function Feeds(_: PageProps) { return <p />; }
