/** What applies to a queue or an exchange: its arguments and its policies together, and where each value comes from. */
import { meaningOf } from "./arguments.ts";
import { inline } from "./format.ts";
import type { Arguments, Json, Policy } from "./types.ts";

export interface Setting {
  /** The name of the argument, or of the policy key if there is no such argument. */
  name: string;
  value: Json;
  /** Who says so. */
  from: "argument" | "policy" | "operator policy";
  /** What others say, which does not apply. */
  others: string[];
}

interface Subject {
  type?: string;
  arguments: Arguments;
  effective_policy_definition?: Arguments | null | [];
}

/** The settings of a queue or an exchange. With the policies that apply to it, it is known which of both says what. */
export function effective(subject: Subject, policy?: Policy, operator?: Policy): Setting[] {
  const fromPolicies = definitionOf(subject, policy, operator);
  const found = new Map<string, Setting>();
  for (const [name, value] of Object.entries(subject.arguments)) {
    found.set(name, { name, value, from: "argument", others: [] });
  }
  for (const [key, value] of Object.entries(fromPolicies)) {
    const name = argumentOf(key);
    const from =
      operator && key in operator.definition && same(operator.definition[key], value)
        ? "operator policy"
        : "policy";
    const said: Setting = { name, value, from, others: overruled(key, value, from, policy, operator) };
    const given = found.get(name);
    found.set(name, given ? merged(given, said, subject.type) : said);
  }
  return [...found.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** Exchanges do not show what applies to them. */
function definitionOf(subject: Subject, policy?: Policy, operator?: Policy): Arguments {
  const shown = subject.effective_policy_definition;
  if (shown && !Array.isArray(shown)) return shown;
  return { ...policy?.definition, ...operator?.definition };
}

function argumentOf(key: string): string {
  return meaningOf(key)?.name ?? key;
}

function overruled(
  key: string,
  value: Json,
  from: Setting["from"],
  policy?: Policy,
  operator?: Policy,
): string[] {
  const other = from === "policy" ? operator : policy;
  const said = other?.definition[key];
  if (said === undefined || same(said, value)) return [];
  return [`${from === "policy" ? "operator policy" : "policy"}: ${inline(said)}`];
}

/** In streams it is always the policy that applies. */
function merged(argument: Setting, policy: Setting, type?: string): Setting {
  const rule = type === "stream" ? "policy" : meaningOf(argument.name)?.merge;
  const policyWins = rule === "policy" || (rule === "least" && Number(policy.value) < Number(argument.value));
  const [winner, loser] = policyWins ? [policy, argument] : [argument, policy];
  return { ...winner, others: [...winner.others, `${loser.from}: ${inline(loser.value)}`, ...loser.others] };
}

function same(one: Json | undefined, other: Json): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
