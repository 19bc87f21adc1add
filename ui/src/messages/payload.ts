/** Payloads as they are shown: JSON with indents, text without surprises, octets in hex. */
import { UNSEEN, visible } from "../format.ts";
import type { Message } from "../message-types.ts";

/** Of a body that is shown in full. */
export const SHOWN_BYTES = 1024 * 1024;

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
    else for (const piece of legible(token, kindOf(token, next === ":"))) write(piece.text, piece.kind);
  }
  return pieces;
}

function kindOf(token: string, isKey: boolean): Piece["kind"] {
  if (isKey) return "key";
  if (token.startsWith('"')) return "string";
  return /^[-\d]/.test(token) ? "number" : "word";
}

// --- text

/** A text, with each character in it that would not be seen, or would make others look other than they are, as JSON
 * writes it. Lines and tabs are as they are. */
export function legible(text: string, kind: Piece["kind"] = "plain"): Piece[] {
  const pieces: Piece[] = [];
  const add = (piece: Piece) => {
    const last = pieces.at(-1);
    if (last?.kind === piece.kind) last.text += piece.text;
    else if (piece.text !== "") pieces.push(piece);
  };
  for (const part of text.split(/([\n\t])/)) {
    let rest = part;
    for (const found of part === "\n" || part === "\t" ? [] : part.matchAll(UNSEEN)) {
      const at = rest.indexOf(found[0]);
      add({ kind, text: rest.slice(0, at) });
      add({ kind: "escape", text: visible(found[0]) });
      rest = rest.slice(at + found[0].length);
    }
    add({ kind, text: rest });
  }
  return pieces;
}

/** The beginning of a payload in one line. */
export function snippet(body: Body, most = 160): string {
  const text = textOf(body);
  if (text !== undefined) {
    return visible(text.slice(0, most).replace(/\s+/g, " "));
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
