/** The live camera. Where the browser does not allow it, the phone's own camera through a file input, and words that help. */
import { useEffect, useRef, useState } from "preact/hooks";
import { t, type Key } from "./i18n";
import { Camera as Sign, Picture, Turn } from "./icons";
import { still, type Photo } from "./photo";
import { Sheet } from "./sheet";

type State = "starting" | "live" | "refused" | "absent" | "insecure";

interface Props { onClose: () => void; onPhoto: (photo: Photo) => void; onFile: (file: Blob) => void }

export function Camera({ onClose, onPhoto, onFile }: Props) {
  const video = useRef<HTMLVideoElement>(null);
  const chooser = useRef<HTMLInputElement>(null);
  const [facing, setFacing] = useState<"environment" | "user">("environment");
  const [attempt, setAttempt] = useState(0);
  const [state, setState] = useState<State>("starting");

  useEffect(() => {
    if (!navigator.mediaDevices?.getUserMedia) { setState("insecure"); return; }
    let stream: MediaStream | undefined;
    let here = true;
    setState("starting");
    navigator.mediaDevices.getUserMedia({ video: { facingMode: facing, width: { ideal: 1920 }, height: { ideal: 1920 } }, audio: false }).then(
      (given) => {
        stream = given;
        if (!here || !video.current) { stop(given); return; }
        video.current.srcObject = given;
        void video.current.play().catch(() => undefined);
        setState("live");
      },
      (reason: DOMException) => here && setState(reason.name === "NotAllowedError" || reason.name === "SecurityError" ? "refused" : "absent"),
    );
    return () => { here = false; stop(stream); };
  }, [facing, attempt]);

  const problem = state === "refused" || state === "absent" || state === "insecure";
  return (
    <Sheet title={t("camera.title")} kind="camera" onClose={onClose}>
      <div class="finder" data-state={state}>
        <video ref={video} playsInline muted hidden={problem} />
        <span class="corner nw" /><span class="corner ne" /><span class="corner se" /><span class="corner sw" />
        {state === "starting" && <p>{t("camera.start")}</p>}
        {problem && (
          <div class="finder-words" role="alert">
            <h3>{t(`camera.${state}` as Key)}</h3>
            <p>{t(state === "refused" ? "camera.refused.how" : "camera.absent.how")}</p>
          </div>
        )}
      </div>
      <footer>
        {problem
          ? <>
              {state === "refused" && <button class="button" onClick={() => setAttempt(attempt + 1)}>{t("retry")}</button>}
              <button class="button primary" onClick={() => chooser.current?.click()}><Picture />{t("choose")}</button>
              <input
                ref={chooser} class="hidden" type="file" accept="image/*" capture="environment" tabIndex={-1} aria-label={t("take")}
                onChange={(event) => { const file = event.currentTarget.files?.[0]; if (file) onFile(file); }}
              />
            </>
          : <>
              <button class="button" onClick={() => setFacing(facing === "user" ? "environment" : "user")}><Turn />{t("camera.switch")}</button>
              <button class="button primary" disabled={state !== "live"} onClick={() => video.current && void still(video.current).then(onPhoto)}><Sign />{t("camera.shoot")}</button>
            </>}
      </footer>
    </Sheet>
  );
}

const stop = (stream: MediaStream | undefined): void => stream?.getTracks().forEach((track) => track.stop());
