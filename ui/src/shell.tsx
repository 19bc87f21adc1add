/** What is around every page: navigation, who is logged in, the theme, notices. */
import { useEffect, useRef } from "preact/hooks";
import { Dialog } from "./components/dialog.tsx";
import { PageTitle } from "./components/facts.tsx";
import { visible } from "./format.ts";
import { destinations, isHelpShown } from "./keyboard.ts";
import { mode, useLive } from "./live.ts";
import { Login } from "./login.tsx";
import { dismiss, notices } from "./notices.ts";
import { GROUPS, PAGES, pageOf } from "./pages.tsx";
import { THEMES, theme, vhostFilter } from "./preferences.ts";
import { href, type Route, route } from "./router.ts";
import { isStarting, logOut, tags, user } from "./session.ts";
import type { Overview, Vhost } from "./types.ts";

for (const { id, title, key } of PAGES) {
  if (key) destinations.set(key, { title, address: id === "" ? "#/" : href(id) });
}

export function App() {
  if (isStarting.value) return <p class="starting">…</p>;
  if (user.value === null) return <Login />;
  return <Shell />;
}

function Shell() {
  const { data: overview } = useLive<Overview>(
    "/overview?columns=cluster_name,erlang_full_version,rabbitmq_version",
  );
  useTitle(overview?.cluster_name);
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById("main")?.focus()}>
        Skip to the content
      </button>
      <Sidebar overview={overview} />
      <main id="main" tabIndex={-1}>
        <Content />
      </main>
      <Notices />
      {isHelpShown.value && <Help />}
    </>
  );
}

function useTitle(cluster: string | undefined): void {
  const { page, names } = route.value;
  const words = [names.at(-1), pageOf(page)?.title, cluster ?? "amqpy"].filter(Boolean);
  const title = words.join(" · ");
  useEffect(() => {
    document.title = title;
  }, [title]);
}

/** The page that the address names. When it is another one, the focus goes to its heading, now or when it is there. */
function Content() {
  const current = route.value;
  const address = JSON.stringify([current.page, ...current.names]);
  const before = useRef(address);
  useEffect(() => {
    if (before.current === address) return;
    before.current = address;
    scrollTo(0, 0);
    const heading = document.querySelector<HTMLElement>("main h1");
    if (heading) heading.focus();
    else if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
  }, [address]);
  return <Shown key={address} current={current} />;
}

function Shown({ current }: { current: Route }) {
  const page = pageOf(current.page);
  if (page === undefined) {
    return (
      <>
        <PageTitle>No such page</PageTitle>
        <p>
          There is no page <code>{current.page}</code>. The <a href="#/">overview</a> is a good place to
          begin.
        </p>
      </>
    );
  }
  return <>{page.show(current.names)}</>;
}

// --- the side

function Sidebar({ overview }: { overview: Overview | undefined }) {
  return (
    <header class="side">
      <div>
        <a class="brand" href="#/">
          <span class="mono">{overview?.cluster_name ?? "amqpy"}</span>
          <small>{overview ? softwareOf(overview) : "\u00a0"}</small>
        </a>
        <Navigation />
        <VhostChoice />
        <div class="account">
          <LiveState />
          <ThemeChoice />
          <span class="who mono" title={`Tags: ${tags.value.join(", ") || "none"}`}>
            {user.value?.name}
          </span>
          <button type="button" onClick={() => logOut()}>
            Log out
          </button>
          <button
            type="button"
            class="quiet"
            aria-label="Keys"
            title="Keys (?)"
            onClick={() => (isHelpShown.value = true)}
          >
            ?
          </button>
        </div>
      </div>
    </header>
  );
}

/** The broker itself, which stands in the place of Erlang. */
function softwareOf(overview: Pick<Overview, "erlang_full_version">): string {
  return overview.erlang_full_version.split(" on ")[0] ?? "";
}

function Navigation() {
  const menu = useRef<HTMLDetailsElement>(null);
  const { page } = route.value;
  useEffect(() => {
    menu.current?.removeAttribute("open");
  }, [page]);
  return (
    <>
      <nav class="menu" aria-label="Pages">
        <Links />
      </nav>
      <details class="small-menu" ref={menu}>
        <summary>{pageOf(page)?.title ?? "Menu"}</summary>
        <nav aria-label="Pages">
          <Links />
        </nav>
      </details>
    </>
  );
}

function Links() {
  const { page } = route.value;
  return (
    <>
      {GROUPS.map((group) => (
        <ul key={group}>
          {PAGES.filter((each) => each.group === group && (each.isFor?.() ?? true)).map(({ id, title }) => (
            <li key={id}>
              <a href={id === "" ? "#/" : href(id)} aria-current={id === page ? "page" : undefined}>
                {title}
              </a>
            </li>
          ))}
        </ul>
      ))}
    </>
  );
}

function VhostChoice() {
  const { data } = useLive<Vhost[]>("/vhosts?columns=name");
  const names = data?.map(({ name }) => name) ?? [];
  const chosen = vhostFilter.value;
  const isGone = data !== undefined && chosen !== "" && !names.includes(chosen);
  useEffect(() => {
    if (isGone) vhostFilter.value = "";
  }, [isGone]);
  return (
    <label class="vhost-choice">
      <span>Virtual host</span>
      <select
        class="mono"
        value={chosen}
        onChange={(event) => (vhostFilter.value = event.currentTarget.value)}
      >
        <option value="">all</option>
        {names.map((name) => (
          <option key={name} value={name}>
            {visible(name)}
          </option>
        ))}
      </select>
    </label>
  );
}

const MODES = {
  idle: { text: "paused", title: "Nothing is asked while the page is hidden." },
  connecting: { text: "…", title: "Asking the broker." },
  live: { text: "live", title: "Changes are shown as they happen." },
  polling: { text: "polling", title: "The broker is asked every other second." },
  offline: { text: "offline", title: "The broker does not answer. What is shown is of before." },
};

function LiveState() {
  const { text, title } = MODES[mode.value];
  return (
    <span class={`mode ${mode.value}`} role="status" title={title}>
      <span class="dot" aria-hidden="true" />
      {text}
    </span>
  );
}

function ThemeChoice() {
  return (
    <label>
      <span class="unseen">Theme</span>
      <select
        value={theme.value}
        onChange={(event) => (theme.value = THEMES[event.currentTarget.selectedIndex] ?? "auto")}
      >
        {THEMES.map((each) => (
          <option key={each} value={each}>
            {each}
          </option>
        ))}
      </select>
    </label>
  );
}

// --- over the page

function Notices() {
  return (
    <div class="notices" role="status" aria-live="polite">
      {notices.value.map((notice) => (
        <p key={notice.id}>
          {notice.text}
          <button type="button" class="quiet" aria-label="Dismiss" onClick={() => dismiss(notice)}>
            ✕
          </button>
        </p>
      ))}
    </div>
  );
}

const KEYS: [string, string][] = [
  ["/", "filter the list"],
  ["c", "create"],
  ["[  ]", "previous, next page of a list"],
  ["Esc", "close a dialog"],
  ["?", "these keys"],
];

function Help() {
  return (
    <Dialog title="Keys" onClose={() => (isHelpShown.value = false)}>
      <dl class="keys">
        {KEYS.map(([key, meaning]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
        {[...destinations].map(([key, { title }]) => (
          <div key={key}>
            <dt>
              <kbd>g</kbd> <kbd>{key}</kbd>
            </dt>
            <dd>{title}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
