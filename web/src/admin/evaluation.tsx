import type { PageProps } from "./admin";
export function Evaluation(_: PageProps) { return <p />; }
