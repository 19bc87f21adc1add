/** What applies to a queue or an exchange, in words, and where it comes from. */

import { at } from "../api.ts";
import { inWords } from "../arguments.ts";
import { effective } from "../effective.ts";
import { inline } from "../format.ts";
import { useLive } from "../live.ts";
import type { Arguments, Policy } from "../types.ts";
import { PolicyName } from "./facts.tsx";

interface Subject {
  vhost: string;
  type?: string;
  arguments: Arguments;
  policy?: string | null;
  operator_policy?: string | null;
  effective_policy_definition?: Arguments | null;
}

export function Effective({ of }: { of: Subject }) {
  const { data: policies } = useLive<Policy[]>(of.policy ? at`/policies/${of.vhost}` : null);
  const { data: operators } = useLive<Policy[]>(
    of.operator_policy ? at`/operator-policies/${of.vhost}` : null,
  );
  const policy = policies?.find(({ name }) => name === of.policy);
  const operator = operators?.find(({ name }) => name === of.operator_policy);
  const settings = effective(of, policy, operator);
  return (
    <>
      <p class="muted">
        {of.policy ? (
          <>
            Policy: <PolicyName vhost={of.vhost} name={of.policy} />.{" "}
          </>
        ) : (
          "No policy applies. "
        )}
        {of.operator_policy && (
          <>
            Operator policy: <PolicyName vhost={of.vhost} name={of.operator_policy} />.
          </>
        )}
      </p>
      {settings.length === 0 ? (
        <p class="muted">No arguments: everything is as it is by default.</p>
      ) : (
        <div class="scroll">
          <table class="plain settings">
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">Value</th>
                <th scope="col">Meaning</th>
                <th scope="col">From</th>
              </tr>
            </thead>
            <tbody>
              {settings.map(({ name, value, from, others }) => (
                <tr key={name}>
                  <th scope="row" class="mono">
                    {name}
                  </th>
                  <td class="mono value">
                    {value === "" ? <span class="muted">(empty)</span> : inline(value)}
                  </td>
                  <td class="words">{inWords(name, value)}</td>
                  <td>
                    {from}
                    {others.length > 0 && <span class="muted"> (not {others.join(", ")})</span>}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}
