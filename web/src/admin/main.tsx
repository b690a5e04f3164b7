import { render } from "preact";
import "../parts.css";
import { preferred, settle } from "../speech";
import "../style.css";
import { Admin } from "./admin";
import "./admin.css";
import { recallKey } from "./ask";
import { speak, t } from "./words";

recallKey();
const language = preferred();
void speak(language).then(() => settle(language, t("title"), false)).finally(() => render(<Admin />, document.getElementById("app")!));
