/** Facts about an object, and small things that are said in many places. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { inWords } from "../arguments.ts";
import { inline, visible } from "../format.ts";
import { hasMoved, href } from "../router.ts";
import type { Arguments } from "../types.ts";

/** A list of names and values. What has no value (undefined) is left out. */
export function Facts({ of }: { of: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {of
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

interface SectionProps {
  title: ComponentChildren;
  tools?: ComponentChildren;
  children: ComponentChildren;
}

export function Section({ title, tools, children }: SectionProps) {
  return (
    <section class="part">
      <header>
        <h2>{title}</h2>
        {tools}
      </header>
      {children}
    </section>
  );
}

/** The title of a page; what it is about, and what can be done with it. */
/** The heading of a page. It is focused when one comes to the page, so that it is read to who does not see it. */
export function PageTitle({ children }: { children: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (hasMoved && document.activeElement === document.body) heading.current?.focus();
  }, []);
  return (
    <h1 tabIndex={-1} ref={heading}>
      {children}
    </h1>
  );
}

export function Heading({
  title,
  kind,
  tools,
}: {
  title: string;
  kind?: ComponentChildren;
  tools?: ComponentChildren;
}) {
  return (
    <header class="heading">
      <PageTitle>
        {kind && <span class="kind">{kind} </span>}
        <span class={kind ? "mono" : undefined}>{visible(title)}</span>
      </PageTitle>
      <div class="tools">{tools}</div>
    </header>
  );
}

/** Arguments, or the keys of a policy, each with its meaning in words. */
export function ArgumentsTable({ of, said }: { of: Arguments; said?: (name: string) => ComponentChildren }) {
  const names = Object.keys(of);
  if (names.length === 0) return <p class="muted">None.</p>;
  return (
    <div class="scroll">
      <table class="plain arguments-table">
        <thead class="unseen">
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Value</th>
            <th scope="col">Meaning</th>
            {said && <th scope="col">From</th>}
          </tr>
        </thead>
        <tbody>
          {names.map((name) => (
            <tr key={name}>
              <th scope="row" class="mono">
                {name}
              </th>
              <td class="mono value">{inline(of[name])}</td>
              <td class="words">{inWords(name, of[name] ?? null)}</td>
              {said && <td>{said(name)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

// --- names, each a link to what it is the name of

function Name({ to, name, shown }: { to: string; name: string; shown?: ComponentChildren }) {
  return (
    <a class="mono name" href={to} title={name}>
      {shown ?? visible(name)}
    </a>
  );
}

export const QueueName = ({ vhost, name }: { vhost: string; name: string }) => (
  <Name to={href("queues", vhost, name)} name={name} />
);

/** The default exchange has no name. */
export const ExchangeName = ({ vhost, name }: { vhost: string; name: string }) => (
  <Name
    to={href("exchanges", vhost, name || "amq.default")}
    name={name}
    shown={name === "" ? "(default exchange)" : undefined}
  />
);

export const VhostName = ({ name }: { name: string }) => <Name to={href("vhosts", name)} name={name} />;
export const UserName = ({ name }: { name: string }) => <Name to={href("users", name)} name={name} />;
export const ConnectionName = ({ name }: { name: string }) => (
  <Name to={href("connections", name)} name={name} />
);
export const ChannelName = ({ name, shown }: { name: string; shown?: string }) => (
  <Name to={href("channels", name)} name={name} shown={shown} />
);
export const PolicyName = ({ vhost, name }: { vhost: string; name: string }) => (
  <Name to={href("policies", vhost, name)} name={name} />
);

/** A short mark, such as D for durable, with its meaning for who asks. */
export function Tag({
  short,
  title,
  kind,
}: {
  short: ComponentChildren;
  title?: string;
  kind?: "warn" | "bad" | "good";
}) {
  return (
    <span class={`tag ${kind ?? ""}`} title={title}>
      {short}
      {title && <span class="unseen"> ({title})</span>}
    </span>
  );
}

export function State({ of }: { of: string | undefined }) {
  const kind = {
    running: "good",
    idle: "good",
    flow: "warn",
    blocking: "warn",
    blocked: "bad",
    down: "bad",
    stopped: "bad",
  }[of ?? ""];
  return (
    <span class={`state ${kind ?? ""}`}>
      <span class="dot" aria-hidden="true" />
      {of ?? "–"}
    </span>
  );
}
