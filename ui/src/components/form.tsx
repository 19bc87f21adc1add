/** Forms: fields, the button that sends them, and the API's refusal beside it. */
import type { ComponentChildren } from "preact";
import { useId, useRef, useState } from "preact/hooks";
import { ApiError } from "../api.ts";
import { refresh } from "../live.ts";

/** What is in the fields of a form, by their names. */
export class Values {
  constructor(private readonly data: FormData) {}

  text(name: string): string {
    return String(this.data.get(name) ?? "");
  }

  /** None for an empty field. */
  number(name: string): number | undefined {
    const text = this.text(name).trim();
    return text === "" ? undefined : Number(text);
  }

  flag(name: string): boolean {
    return this.data.get(name) !== null;
  }

  all(name: string): string[] {
    return this.data.getAll(name).map(String);
  }

  json<T>(name: string): T {
    return JSON.parse(this.text(name) || "null") as T;
  }

  file(name: string): File | undefined {
    const found = this.data.get(name);
    return found instanceof File && found.size > 0 ? found : undefined;
  }
}

interface FormProps {
  verb: string;
  /** Sends the values; what it raises is shown. */
  action: (values: Values) => Promise<void>;
  onCancel?: () => void;
  kind?: "primary" | "danger";
  isInline?: boolean;
  children?: ComponentChildren;
}

export function Form({ verb, action, onCancel, kind = "primary", isInline = false, children }: FormProps) {
  const [error, setError] = useState("");
  const [isBusy, setBusy] = useState(false);
  const isAlive = useRef(true);
  const submit = async (event: SubmitEvent & { currentTarget: HTMLFormElement }) => {
    event.preventDefault();
    if (isBusy) return;
    const values = new Values(new FormData(event.currentTarget));
    setBusy(true);
    setError("");
    try {
      await action(values);
      refresh();
    } catch (raised) {
      setError(words(raised));
    } finally {
      if (isAlive.current) setBusy(false);
    }
  };
  return (
    <form
      class={isInline ? "inline" : undefined}
      onSubmit={submit}
      onInput={() => setError("")}
      autocomplete="off"
    >
      {children}
      <Failure text={error} />
      <div class="actions">
        {onCancel && (
          <button type="button" onClick={onCancel}>
            Cancel
          </button>
        )}
        <button type="submit" class={kind} aria-disabled={isBusy}>
          {verb}
        </button>
      </div>
    </form>
  );
}

/** The words of an error for who has caused it. */
export function words(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  return error instanceof Error ? error.message : String(error);
}

export function Failure({ text }: { text: string }) {
  return (
    <p class="failure" role="alert">
      {text}
    </p>
  );
}

interface ConfirmProps {
  verb: string;
  /** What is lost, each a sentence. */
  losses: ComponentChildren[];
  action: () => Promise<void>;
  onCancel: () => void;
  children?: ComponentChildren;
}

/** Asks before something is lost, and says what. */
export function Confirm({ verb, losses, action, onCancel, children }: ConfirmProps) {
  return (
    <Form verb={verb} kind="danger" action={action} onCancel={onCancel}>
      {children}
      <ul class="losses">
        {losses.map((loss, index) => (
          <li key={index}>{loss}</li>
        ))}
      </ul>
      <p class="muted">This cannot be undone.</p>
    </Form>
  );
}

// --- fields

interface FieldProps {
  label: string;
  name: string;
  hint?: ComponentChildren;
}

interface TextProps extends FieldProps {
  value?: string;
  type?: "text" | "password" | "number";
  required?: boolean;
  mono?: boolean;
  placeholder?: string;
  /** Suggestions. */
  options?: string[];
  autofocus?: boolean;
  onInput?: (value: string) => void;
  autocomplete?: string;
}

export function TextField(props: TextProps) {
  const { label, name, hint, value = "", type = "text", required, mono = true, options, onInput } = props;
  const id = useId();
  const shared = {
    id,
    name,
    defaultValue: value,
    required,
    class: mono ? "mono" : undefined,
    placeholder: props.placeholder,
    autofocus: props.autofocus,
    autocomplete: props.autocomplete ?? "off",
    spellcheck: false,
    "aria-describedby": hint ? `${id}-hint` : undefined,
    onInput:
      onInput &&
      ((event: InputEvent & { currentTarget: HTMLInputElement }) => onInput(event.currentTarget.value)),
  };
  return (
    <p class="field">
      <label for={id}>{label}</label>
      <span>
        {type === "password" && <input {...shared} type="password" />}
        {type === "number" && <input {...shared} type="number" />}
        {type === "text" &&
          (options ? (
            <input {...shared} type="text" list={`${id}-list`} />
          ) : (
            <input {...shared} type="text" />
          ))}
        {options && (
          <datalist id={`${id}-list`}>
            {options.map((option) => (
              <option key={option} value={option} />
            ))}
          </datalist>
        )}
        <Hint id={`${id}-hint`} text={hint} />
      </span>
    </p>
  );
}

function Hint({ id, text }: { id: string; text: ComponentChildren }) {
  return text ? (
    <small id={id} class="hint">
      {text}
    </small>
  ) : null;
}

interface SelectProps extends FieldProps {
  value?: string;
  options: (string | { value: string; label: string })[];
  onChange?: (value: string) => void;
}

export function SelectField({ label, name, hint, value, options, onChange }: SelectProps) {
  const id = useId();
  return (
    <p class="field">
      <label for={id}>{label}</label>
      <span>
        <select
          id={id}
          name={name}
          aria-describedby={hint ? `${id}-hint` : undefined}
          onChange={onChange && ((event) => onChange(event.currentTarget.value))}
        >
          {options.map((option) => {
            const { value: each, label: text } =
              typeof option === "string" ? { value: option, label: option } : option;
            return (
              <option key={each} value={each} selected={each === value}>
                {text}
              </option>
            );
          })}
        </select>
        <Hint id={`${id}-hint`} text={hint} />
      </span>
    </p>
  );
}

interface CheckProps extends FieldProps {
  value?: boolean;
  /** What is sent if it is set. */
  as?: string;
}

export function CheckField({ label, name, hint, value = false, as = "on" }: CheckProps) {
  const id = useId();
  return (
    <p class="check">
      <input
        id={id}
        name={name}
        type="checkbox"
        value={as}
        defaultChecked={value}
        aria-describedby={hint ? `${id}-hint` : undefined}
      />
      <label for={id}>{label}</label>
      <Hint id={`${id}-hint`} text={hint} />
    </p>
  );
}
