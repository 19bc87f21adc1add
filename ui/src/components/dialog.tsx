/** Dialogs, and the buttons that open them. */
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";

interface DialogProps {
  title: string;
  onClose: () => void;
  isWide?: boolean;
  children: ComponentChildren;
}

/** A dialog over the page. The browser keeps the focus in it, and gives it back. */
export function Dialog({ title, onClose, isWide = false, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const shown = dialog.current;
    if (shown && !shown.open) shown.showModal();
    return () => shown?.close();
  }, []);
  return (
    <dialog ref={dialog} class={isWide ? "wide" : undefined} aria-labelledby={id} onClose={onClose}>
      <header>
        <h2 id={id}>{title}</h2>
        <button type="button" class="quiet" aria-label="Close" onClick={onClose}>
          ✕
        </button>
      </header>
      {children}
    </dialog>
  );
}

interface DialogButtonProps {
  label: ComponentChildren;
  /** What the button is called where its label says too little. */
  name?: string;
  title: string;
  kind?: "primary" | "danger" | "quiet";
  isWide?: boolean;
  /** `create` for the one that the key `c` presses. */
  hotkey?: string;
  disabled?: boolean;
  children: (close: () => void) => ComponentChildren;
}

export function DialogButton({
  label,
  name,
  title,
  kind,
  isWide,
  hotkey,
  disabled,
  children,
}: DialogButtonProps) {
  const [isOpen, setOpen] = useState(false);
  const close = () => setOpen(false);
  return (
    <>
      <button
        type="button"
        class={kind}
        aria-label={name}
        aria-haspopup="dialog"
        data-key={hotkey}
        disabled={disabled}
        onClick={() => setOpen(true)}
      >
        {label}
      </button>
      {isOpen && (
        <Dialog title={title} onClose={close} isWide={isWide}>
          {children(close)}
        </Dialog>
      )}
    </>
  );
}
