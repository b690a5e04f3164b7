/** The built-in reader of /openapi.json: every path with its parameters, bodies and answers. Nothing from elsewhere. */

interface Schema { $ref?: string; type?: string | string[]; items?: Schema; properties?: Record<string, Schema>; required?: string[]; description?: string; enum?: unknown[]; oneOf?: Schema[]; anyOf?: Schema[]; allOf?: Schema[]; format?: string; example?: unknown; additionalProperties?: Schema | boolean }
interface Content { schema?: Schema; example?: unknown }
interface Operation {
  tags?: string[]; summary?: string; description?: string; operationId?: string;
  parameters?: { name: string; in: string; required?: boolean; description?: string; schema?: Schema }[];
  requestBody?: { description?: string; content: Record<string, Content> };
  responses?: Record<string, { description?: string; content?: Record<string, Content> }>;
}
interface Api { info: { title: string; version: string; description?: string }; paths: Record<string, Record<string, Operation>>; components?: { schemas?: Record<string, Schema> } }

function make(tag: string, text = "", children: (Node | null)[] = [], className = ""): HTMLElement {
  const element = document.createElement(tag);
  if (text) element.textContent = text;
  if (className) element.className = className;
  element.append(...children.filter((child): child is Node => child !== null));
  return element;
}

const last = (ref: string): string => ref.split("/").pop() ?? ref;

/** A schema as a short phrase; named ones are links to their own section. */
function phrase(schema: Schema | undefined): Node {
  if (!schema) return document.createTextNode("any");
  if (schema.$ref) {
    const link = make("a", last(schema.$ref)) as HTMLAnchorElement;
    link.href = `#schema-${last(schema.$ref)}`;
    return link;
  }
  const options = schema.oneOf ?? schema.anyOf ?? schema.allOf;
  if (options) return make("span", "", options.flatMap((one, at) => (at ? [document.createTextNode(schema.allOf ? " and " : " or "), phrase(one)] : [phrase(one)])));
  if (schema.items) return make("span", "list of ", [phrase(schema.items)]);
  if (schema.enum) return document.createTextNode(schema.enum.map((one) => JSON.stringify(one)).join(" or "));
  const type = Array.isArray(schema.type) ? schema.type.join(" or ") : (schema.type ?? "any");
  if (type.includes("object") && typeof schema.additionalProperties === "object") return make("span", "map to ", [phrase(schema.additionalProperties)]);
  return document.createTextNode(schema.format ? `${type} (${schema.format})` : type);
}

function table(heads: string[], rows: Node[][]): HTMLElement {
  const cells = (tag: string, nodes: Node[]) => make("tr", "", nodes.map((node) => make(tag, "", [node])));
  return make("div", "", [make("table", "", [
    make("thead", "", [cells("th", heads.map((head) => document.createTextNode(head)))]),
    make("tbody", "", rows.map((row) => cells("td", row))),
  ])], "wide");
}

const words = (text: string | undefined): Node => document.createTextNode(text ?? "");

function operation(method: string, path: string, op: Operation): HTMLElement {
  const section = make("section", "", [make("h3", "", [make("b", method.toUpperCase()), document.createTextNode(" "), make("code", path)])]);
  section.id = op.operationId ?? `${method}${path}`;
  for (const text of [op.summary, op.description]) if (text) section.append(make("p", text));
  if (op.parameters?.length) {
    section.append(table(["parameter", "in", "type", "meaning"], op.parameters.map((one) => [
      make("code", one.name + (one.required ? "" : "?")), words(one.in), phrase(one.schema), words(one.description),
    ])));
  }
  const body = Object.entries(op.requestBody?.content ?? {});
  if (body.length) section.append(table(["body", "shape"], body.map(([type, { schema }]) => [make("code", type), phrase(schema)])));
  const answers = Object.entries(op.responses ?? {});
  section.append(table(["answer", "shape", "meaning"], answers.map(([status, one]) => [
    make("code", status), phrase(Object.values(one.content ?? {})[0]?.schema ?? { type: "—" }), words(one.description),
  ])));
  return section;
}

function model(name: string, schema: Schema): HTMLElement {
  const section = make("section", "", [make("h3", name)]);
  section.id = `schema-${name}`;
  if (schema.description) section.append(make("p", schema.description));
  const members = Object.entries(schema.properties ?? {});
  section.append(members.length
    ? table(["member", "type", "meaning"], members.map(([member, one]) => [make("code", member + (schema.required?.includes(member) ? "" : "?")), phrase(one), words(one.description)]))
    : make("p", "", [phrase(schema)]));
  return section;
}

async function show(): Promise<void> {
  const main = document.getElementById("docs")!;
  const api = (await (await fetch("/openapi.json")).json()) as Api;
  const groups = new Map<string, HTMLElement[]>();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, op] of Object.entries(methods)) {
      const tag = op.tags?.[0] ?? "other";
      groups.set(tag, [...(groups.get(tag) ?? []), operation(method, path, op)]);
    }
  }
  const contents = make("nav", "", [make("h2", "Contents")]);
  contents.setAttribute("aria-label", "Contents");
  main.replaceChildren(make("h1", `${api.info.title} ${api.info.version}`), make("p", api.info.description ?? ""), make("p", "", [
    document.createTextNode("The same as a file: "), Object.assign(make("a", "/openapi.json"), { href: "/openapi.json" }),
    document.createTextNode(". What can go wrong: "), Object.assign(make("a", "/problems"), { href: "/problems" }),
  ]), contents);
  for (const [tag, sections] of groups) {
    contents.append(make("ul", "", sections.map((section) => {
      const link = make("a", section.querySelector("h3")?.textContent ?? "") as HTMLAnchorElement;
      link.href = `#${section.id}`;
      return make("li", "", [link]);
    })));
    main.append(make("h2", tag), ...sections);
  }
  main.append(make("h2", "Shapes"), ...Object.entries(api.components?.schemas ?? {}).map(([name, schema]) => model(name, schema)));
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

show().catch((reason: unknown) => {
  document.getElementById("docs")!.replaceChildren(make("p", `The description could not be read: ${String(reason)}`));
});
