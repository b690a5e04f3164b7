/** Keys and settings: who may do what, and how this server is set up. A secret is shown once, when it is made. */
import { useState } from "preact/hooks";
import type { PageProps } from "./admin";
import { asProblem, send, isOffered, useAsked } from "./ask";
import { Confirm, DataTable, Panel, Shown, Wanting, When } from "./bits";
import type { Problem } from "../api";
import { t, word } from "./words";
import type { ConfigShape, KeyList, KeyShape, MadeKeyShape } from "../schema";
import { number } from "../speech";

const RIGHTS = ["search", "read", "write", "admin"] as const;

export function Keys({ all, say }: PageProps) {
  const keys = useAsked<KeyList>("/v1/keys");
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState<string>();
  const [asking, setAsking] = useState<KeyShape>();
  const copy = (token: string) => void navigator.clipboard.writeText(token).then(() => say({ text: t("copied") }), () => say({ text: t("copy.failed") }));
  return (
    <>
      <Panel title={t("keys")} note={t("keys.note")} actions={isOffered(keys) && <button class="button small" onClick={() => { setMaking(true); setMade(undefined); }}>{t("keys.new")}</button>}>
        {made && (
          <div class="secret" role="status">
            <p>{t("keys.once")}</p>
            <code>{made}</code>
            <button class="button small" onClick={() => copy(made)}>{t("copy")}</button>
            <button class="button small" onClick={() => setMade(undefined)}>{t("keys.hide")}</button>
          </div>
        )}
        {making && <NewKey all={all.map(({ name }) => name)} onClose={() => setMaking(false)} onMade={(token) => { setMaking(false); setMade(token); keys.reload(); }} />}
        <Shown of={keys} what={t("keys")}>
          {({ items }) => (
            <DataTable
              caption={t("keys")} rows={items} id={({ id }) => id} empty={t("keys.none")}
              columns={[
                { name: "id", head: t("id"), sort: ({ id }) => id, cell: ({ id }) => <code>{id}</code> },
                { name: "name", head: t("name"), sort: ({ name }) => name ?? "", cell: ({ name, public: open, anonymous }) => <>{name || "–"} {anonymous ? <span class="tag">{t("keys.anonymous")}</span> : open && <span class="tag">{t("keys.public")}</span>}</> },
                { name: "rights", head: t("keys.rights"), cell: ({ rights }) => rights.map((right) => word(`right.${right}`, right)).join(", ") },
                { name: "catalogues", head: t("catalogue"), cell: ({ catalogues }) => catalogues?.join(", ") || t("all") },
                { name: "origins", head: t("keys.origins"), cell: ({ origins }) => origins?.join(", ") || t("keys.here") },
                { name: "rate", head: t("keys.rate"), right: true, cell: ({ rate }) => (rate ? t("keys.per", { n: rate.requests, s: rate.window_s }) : t("keys.unlimited")) },
                { name: "created", head: t("created"), sort: ({ created_at }) => created_at, cell: ({ created_at }) => <When at={created_at} /> },
                { name: "act", head: t("state"), cell: (key) => (key.revoked_at ? <span class="quiet">{t("keys.revoked")} <When at={key.revoked_at} /></span> : <button class="button small danger" onClick={() => setAsking(key)}>{t("keys.revoke")}<span class="sr"> {key.id}</span></button>) },
              ]}
            />
          )}
        </Shown>
      </Panel>
      <Config />
      {asking && (
        <Confirm
          title={t("keys.revoke.title", { id: asking.id })} text={t("keys.revoke.text", { name: asking.name || asking.id, rights: asking.rights.join(", ") })} act={t("keys.revoke")}
          onClose={() => setAsking(undefined)} onAct={() => send("DELETE", `/v1/keys/${encodeURIComponent(asking.id)}`).then(keys.reload)}
        />
      )}
    </>
  );
}

function NewKey({ all, onMade, onClose }: { all: string[]; onMade: (token: string) => void; onClose: () => void }) {
  const [problem, setProblem] = useState<Problem>();
  const [kind, setKind] = useState<"public" | "anonymous" | "private">("public");
  const make = (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const lines = (name: string) => String(form.get(name) ?? "").split(/[\s,]+/).filter(Boolean);
    const [requests, window_s] = [Number(form.get("requests")), Number(form.get("window")) || 60];
    send<MadeKeyShape>("POST", "/v1/keys", {
      name: String(form.get("name") ?? ""),
      rights: kind === "private" ? form.getAll("right") : ["search"],
      catalogues: form.getAll("catalogue"),
      origins: lines("origins"),
      ...(requests > 0 ? { rate: { requests, window_s } } : {}),
      public: kind !== "private",
      anonymous: kind === "anonymous",
    }).then((made) => onMade(made!.token), (reason) => setProblem(asProblem(reason)));
  };
  return (
    <form class="make" onSubmit={make} aria-label={t("keys.new")}>
      <label class="field"><span>{t("name")}</span><input name="name" maxLength={100} placeholder={t("keys.name.example")} /></label>
      <fieldset><legend>{t("kind")}</legend>
        {(["public", "anonymous", "private"] as const).map((one) => <label key={one} class="choice"><input type="radio" name="kind" checked={kind === one} onChange={() => setKind(one)} /><span>{t(`keys.kind.${one}`)}</span></label>)}
      </fieldset>
      {kind === "private" && <fieldset><legend>{t("keys.rights")}</legend>{RIGHTS.map((right) => <label key={right} class="choice"><input type="checkbox" name="right" value={right} defaultChecked={right === "read"} /><span>{t(`right.${right}`)}</span></label>)}</fieldset>}
      {all.length > 0 && <fieldset><legend>{t("keys.catalogues")}</legend>{all.map((name) => <label key={name} class="choice"><input type="checkbox" name="catalogue" value={name} /><span>{name}</span></label>)}</fieldset>}
      {kind === "public" && <label class="field"><span>{t("keys.origins.how")}</span><textarea name="origins" rows={2} placeholder="https://shop.example" /></label>}
      <div class="pair">
        <label class="field"><span>{t("keys.requests")}</span><input name="requests" type="number" min={1} max={1000000} placeholder={number(600)} /></label>
        <label class="field"><span>{t("keys.window")}</span><input name="window" type="number" min={1} max={86400} placeholder={number(60)} /></label>
      </div>
      {problem && <Wanting problem={problem} what={t("keys.new")} />}
      <div class="acts"><button type="button" class="button small" onClick={onClose}>{t("cancel")}</button><button class="button small primary">{t("keys.make")}</button></div>
    </form>
  );
}

/** As the server read it, with where each value came from. */
function Config() {
  const config = useAsked<ConfigShape>("/v1/config");
  return (
    <Panel title={t("config")} note={t("config.note")}>
      <Shown of={config} what={t("config")}>
        {({ items }) => (
          <DataTable caption={t("config")} rows={items} id={({ name }) => name} empty={t("config.none")} columns={[
            { name: "name", head: t("name"), sort: ({ name }) => name, cell: ({ name }) => <code>{name}</code> },
            { name: "value", head: t("chart.value"), cell: ({ value }) => (value === null || (Array.isArray(value) && value.length === 0) ? <span class="quiet">–</span> : <code>{typeof value === "string" ? value : JSON.stringify(value)}</code>) },
            { name: "source", head: t("source"), sort: ({ source }) => source, cell: ({ source }) => (source === "default" ? <span class="quiet">{word(`status.${source}`, source)}</span> : word(`status.${source}`, source)) },
          ]} />
        )}
      </Shown>
    </Panel>
  );
}
