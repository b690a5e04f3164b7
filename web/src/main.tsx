import { render } from "preact";
import { App } from "./app";
import { preferred, speak } from "./i18n";
import "./style.css";

void speak(preferred(), false).finally(() => render(<App />, document.getElementById("app")!));
