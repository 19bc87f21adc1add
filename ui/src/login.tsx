/** The form to log in, when nobody is. */
import { useState } from "preact/hooks";
import { ApiError, isLoginRefused } from "./api.ts";
import { Form, TextField } from "./components/form.tsx";
import { basic, logIn, loginNotice } from "./session.ts";

/** Raises Error. */
async function enter(login: string): Promise<void> {
  try {
    await logIn(login);
  } catch (error) {
    if (error instanceof ApiError && isLoginRefused(error)) throw new Error("That is no login here.");
    throw error;
  }
}

export function Login() {
  const [hasToken, setHasToken] = useState(false);
  return (
    <main class="login">
      <h1>Log in to amqpy</h1>
      {loginNotice.value && <p class="muted">{loginNotice.value}</p>}
      <Form
        key={String(hasToken)}
        verb="Log in"
        action={(values) =>
          enter(
            hasToken ? `Bearer ${values.text("token")}` : basic(values.text("name"), values.text("password")),
          )
        }
      >
        {hasToken ? (
          <TextField label="Token" name="token" type="password" required autofocus />
        ) : (
          <>
            <TextField label="User" name="name" required autofocus autocomplete="username" />
            <TextField label="Password" name="password" type="password" autocomplete="current-password" />
          </>
        )}
      </Form>
      <button type="button" class="quiet" onClick={() => setHasToken(!hasToken)}>
        {hasToken ? "With a password instead" : "With a token (OAuth 2) instead"}
      </button>
    </main>
  );
}
