/** Payloads as they are shown: JSON with indents, text without surprises, octets in hex. */
import type { Message } from "../message-types.ts";

export interface Piece {
  kind: "plain" | "key" | "string" | "number" | "word" | "escape";
  text: string;
}

type Body = Pick<Message, "payload" | "payload_encoding" | "payload_bytes">;

export function octetsOf({ payload, payload_encoding: encoding }: Body): Uint8Array {
  if (encoding === "string") return new TextEncoder().encode(payload);
  return Uint8Array.from(atob(payload), (letter) => letter.charCodeAt(0));
}

export function isWhole(body: Body): boolean {
  return octetsOf(body).length >= body.payload_bytes;
}

/** The text that a payload is, if it is one. One that was cut within a character is a text, too. */
export function textOf(body: Body): string | undefined {
  if (body.payload_encoding === "string") return body.payload;
  const octets = octetsOf(body);
  if (octets.length >= body.payload_bytes) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(octets, { stream: true });
  } catch {
    return undefined;
  }
}

// --- JSON

const TOKEN = /\s+|"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/gy;
const INDENT = "  ";

/** JSON on lines of its own, or nothing for what is none. Numbers and texts stay as they are written: one that is read
 * and written again may be another one. */
export function prettyJson(text: string): Piece[] | undefined {
  try {
    JSON.parse(text);
  } catch {
    return undefined;
  }
  const tokens = (text.match(TOKEN) ?? []).filter((token) => token.trim() !== "");
  const pieces: Piece[] = [];
  let depth = 0;
  const write = (piece: string, kind: Piece["kind"] = "plain") => {
    const last = pieces.at(-1);
    if (kind === "plain" && last?.kind === "plain") last.text += piece;
    else pieces.push({ kind, text: piece });
  };
  const newLine = () => write(`\n${INDENT.repeat(Math.min(depth, 40))}`);
  for (const [index, token] of tokens.entries()) {
    const next = tokens[index + 1];
    if (token === "{" || token === "[") {
      write(token);
      depth += 1;
      if (next !== "}" && next !== "]") newLine();
    } else if (token === "}" || token === "]") {
      depth -= 1;
      const before = tokens[index - 1];
      if (before !== "{" && before !== "[") newLine();
      write(token);
    } else if (token === ",") {
      write(token);
      newLine();
    } else if (token === ":") write(": ");
    else for (const piece of visible(token, kindOf(token, next === ":"))) write(piece.text, piece.kind);
  }
  return pieces;
}

function kindOf(token: string, isKey: boolean): Piece["kind"] {
  if (isKey) return "key";
  if (token.startsWith('"')) return "string";
  return /^[-\d]/.test(token) ? "number" : "word";
}

// --- text

/** Control characters, and those that change the direction of others or are not seen. */
const UNSEEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/** A text with a sign for each character in it that would not be seen, or would make others look other than they are. */
export function visible(text: string, kind: Piece["kind"] = "plain"): Piece[] {
  const pieces: Piece[] = [];
  let end = 0;
  for (const found of text.matchAll(UNSEEN)) {
    if (found.index > end) pieces.push({ kind, text: text.slice(end, found.index) });
    pieces.push({ kind: "escape", text: signOf(found[0]) });
    end = found.index + found[0].length;
  }
  if (end < text.length) pieces.push({ kind, text: text.slice(end) });
  return pieces;
}

function signOf(letter: string): string {
  const code = letter.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return `[U+${code.toString(16).toUpperCase().padStart(4, "0")}]`;
}

/** The beginning of a payload in one line. */
export function snippet(body: Body, most = 160): string {
  const text = textOf(body);
  if (text !== undefined) {
    const line = text.slice(0, most).replace(/\s+/g, " ");
    return visible(line)
      .map((piece) => piece.text)
      .join("");
  }
  return [...octetsOf(body).slice(0, 24)].map(inHex).join(" ");
}

// --- hex

const COLUMNS = 16;

function inHex(octet: number): string {
  return octet.toString(16).padStart(2, "0");
}

/** Lines of offset, octets in hex, and those of them that are ASCII. */
export function hexDump(octets: Uint8Array): string {
  const lines: string[] = [];
  for (let begin = 0; begin < octets.length; begin += COLUMNS) {
    const row = [...octets.subarray(begin, begin + COLUMNS)];
    const halves = [row.slice(0, 8), row.slice(8)].map((half) => half.map(inHex).join(" "));
    const ascii = row
      .map((octet) => (octet >= 0x20 && octet < 0x7f ? String.fromCharCode(octet) : "·"))
      .join("");
    lines.push(`${begin.toString(16).padStart(8, "0")}  ${halves.join("  ").padEnd(48)}  ${ascii}`);
  }
  return lines.join("\n");
}
