// The camera of this device as a source of pictures: opened on a press, shut by the page, so that its light never stays on.
import { el } from "./dom.ts";
import { EdgeError } from "../problem.ts";

export interface Camera {
  /** Shows what the camera sees; each frame of it is a picture. */
  video: HTMLVideoElement;
  close(): void;
}

const SIDE = 320;

/** The camera, running. Throws E_ENVIRONMENT where there is none, the page may not have it, or the user said no. */
export async function openCamera(): Promise<Camera> {
  const stream = await ask().catch((error: unknown) => {
    throw new EdgeError({ code: "E_ENVIRONMENT", message: "the camera cannot be used", got: error instanceof Error ? error.message : String(error), remedy: "allow it, or choose files instead" });
  });
  const video = el("video", { class: "camera", playsinline: true, "aria-label": "what the camera sees" });
  video.muted = true;
  video.srcObject = stream;
  const close = () => stream.getTracks().forEach((track) => track.stop());
  try {
    await video.play();
  } catch (error) {
    close();
    throw error;
  }
  return { video, close };
}

/** Browsers hide the devices from pages that are not secure; that is an answer too. */
async function ask(): Promise<MediaStream> {
  if (!navigator.mediaDevices) throw new Error("this page is not served by https");
  return navigator.mediaDevices.getUserMedia({ video: { width: { ideal: SIDE }, height: { ideal: SIDE } }, audio: false });
}
