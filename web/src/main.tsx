import { render } from "preact";
import { App } from "./app";
import { preferred, settle, speak, t } from "./i18n";
import "./parts.css";
import "./style.css";

const language = preferred();
void speak(language).then(() => settle(language, t("title"), false)).finally(() => render(<App />, document.getElementById("app")!));
