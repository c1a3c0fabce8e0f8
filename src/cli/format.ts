// Numbers, durations and sizes as people read them; the width of text in a terminal.
import { withCommas } from '../index.ts';

/** `0.4 s`, `45 s`, `3 min 05 s`, `2 h 10 min`, `3 d 4 h`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  if (seconds > 0.05 && seconds < 0.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.max(0, Math.round(seconds));
  const [days, hours, minutes] = [86400, 3600, 60].map((unit) => Math.floor(whole / unit));
  if (days > 0) return `${days} d ${hours % 24} h`;
  if (hours > 0) return `${hours} h ${String(minutes % 60).padStart(2, '0')} min`;
  if (minutes > 0) return `${minutes} min ${String(whole % 60).padStart(2, '0')} s`;
  return `${whole} s`;
}

/** `13 KiB`, `820 MiB`, `1.2 GiB`. */
export function bytes(count: number): string {
  if (count > 0 && count < 2 ** 20) return `${Math.ceil(count / 1024)} KiB`;
  const mib = count / 2 ** 20;
  return mib < 1000 ? `${Math.round(mib)} MiB` : `${(mib / 1024).toFixed(1)} GiB`;
}

/** As `bytes`, of files that may be small: `812 bytes`, `14 KiB`. */
export function fileSize(count: number): string {
  if (count >= 2 ** 20) return bytes(count);
  return count < 1024 ? `${count} bytes` : `${Math.round(count / 1024)} KiB`;
}

/** `5 min ago`, `3 h ago`, `2 d ago`; the date of what is longer ago. Both in ms since 1970. */
export function ago(time: number, now: number): string {
  const minutes = Math.floor((now - time) / 60_000);
  if (minutes > 60 * 24 * 30 || minutes < -1) return new Date(time).toISOString().slice(0, 10);
  if (minutes < 1) return 'just now';
  if (minutes < 60) return `${minutes} min ago`;
  return minutes < 60 * 48
    ? `${Math.floor(minutes / 60)} h ago`
    : `${Math.floor(minutes / 1440)} d ago`;
}

/** `2026-01-31 23:59 UTC`. */
export const utc = (time: number): string =>
  `${new Date(time).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

/** `812`, `4,096`, `1.3 M`. */
export function amount(count: number): string {
  return count < 1e6 ? withCommas(count) : `${(count / 1e6).toFixed(1)} M`;
}

/** Seconds of a step: `0.41 s/step`, `2.4 steps/s` when that is easier to read. */
export function speed(secondsPerStep: number): string {
  if (!(secondsPerStep > 0)) return '';
  return secondsPerStep < 0.1
    ? `${(1 / secondsPerStep).toFixed(0)} steps/s`
    : `${secondsPerStep.toFixed(2)} s/step`;
}

/** A loss with four digits: `0.08321`, `12.41`, `NaN`. */
export function loss(value: number): string {
  return Number.isFinite(value) ? value.toPrecision(4) : String(value);
}

/** `1.0e-3` */
export const rate = (value: number): string => value.toExponential(1);

export const percent = (share: number): string => `${Math.floor(share * 100)} %`;

const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;
const none = /\p{Mark}|\p{Cf}|\p{Cc}/u;

/** Columns that `text` (without colours) takes in a terminal. */
export function displayWidth(text: string): number {
  let columns = 0;
  for (const character of text)
    columns += none.test(character)
      ? 0
      : wide.test(character) || (character.codePointAt(0) ?? 0) >= 0x20000
        ? 2
        : 1;
  return columns;
}

/** `text` cut to `columns`, with `…` where something is missing. */
export function cut(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  let kept = '';
  for (const character of text) {
    if (displayWidth(kept + character) > columns - 1) break;
    kept += character;
  }
  return columns > 0 ? `${kept}…` : '';
}
