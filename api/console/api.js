// Talks to the API as the person who is logged in.

const KEPT = "daybook.session";
const EARLY_MS = 30_000;
const VISIBLE_TRIES = 5;
const COPY_MS = 1_000;

export class Problem extends Error {
  constructor(status, body) {
    super(body.detail);
    this.status = status;
    this.reason = body.reason;
    this.title = body.title;
    this.details = body.details ?? {};
  }
}

const UNREACHABLE = {
  reason: "unreachable",
  title: "No answer.",
  detail: "Daybook cannot be reached just now: try again in a moment.",
};

const LOGGED_OUT = { reason: "unauthorized", title: "Logged out.", detail: "Log in first." };

async function reach(url, options) {
  let answer;
  try {
    answer = await fetch(url, { cache: "no-store", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, UNREACHABLE);
  }
  if (answer.ok) return answer;
  const isProblem = answer.headers.get("content-type") === "application/problem+json";
  throw new Problem(answer.status, isProblem ? await answer.json() : UNREACHABLE);
}

function asJson(body, headers = {}, method = "POST") {
  return {
    method,
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(body),
  };
}

function withQuery(path, query) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value != null);
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

export function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Api {
  #session;
  #refreshing = null;
  #onEnd;

  // `onEnd` is called when the session has ended by itself.
  constructor(onEnd) {
    this.#onEnd = onEnd;
    // Of this window alone, and gone with it.
    this.#session = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
  }

  get user() {
    return this.#session?.user ?? null;
  }

  async logIn(email, password) {
    const answer = await reach("/api/auth/login", asJson({ email, password }));
    const { user, ...tokens } = await answer.json();
    this.#keep(tokens, { id: user.id, email: user.email, role: user.role }, randomId());
    await this.isOnlyOne();
  }

  async logOut() {
    let tokens;
    try {
      await this.#accessToken();
      tokens = this.#session;
    } finally {
      this.#forget(); // whatever the server answers
    }
    const { access_token, refresh_token } = tokens;
    const headers = { Authorization: `Bearer ${access_token}` };
    await reach("/api/auth/logout", asJson({ refresh_token }, headers));
  }

  // A window that was duplicated has its tokens from the other one, and a refresh token is good once: the
  // second to use it would end both. So a copy forgets them.
  async isOnlyOne() {
    if (!this.#session || !navigator.locks) return;
    const held = await new Promise((resolve) => {
      const hold = () => {
        resolve(true);
        return new Promise(() => {}); // until the window is closed
      };
      const options = { signal: AbortSignal.timeout(COPY_MS) }; // a page that reloads lets go of it
      navigator.locks.request(`${KEPT}.${this.#session.window}`, options, hold).catch(() => resolve(false));
    });
    if (!held) this.#forget();
  }

  async get(path, query = {}) {
    for (let tries = 1; ; tries += 1) {
      try {
        return await (await this.#send(withQuery(path, query))).json();
      } catch (problem) {
        if (problem.reason !== "not_yet_visible" || tries === VISIBLE_TRIES) throw problem;
      }
    }
  }

  async post(path, body, headers) {
    const answer = await this.#send(path, asJson(body, headers));
    return answer.status === 204 ? null : answer.json();
  }

  async put(path, body, headers) {
    return (await this.#send(path, asJson(body, headers, "PUT"))).json();
  }

  // The body of a stream of events: EventSource cannot say who asks.
  async stream(path, lastEventId, signal) {
    const headers = { Accept: "text/event-stream" };
    if (lastEventId) headers["Last-Event-ID"] = lastEventId;
    return (await this.#send(path, { headers, signal })).body;
  }

  async #send(url, options = {}) {
    for (let again = true; ; again = false) {
      const headers = { ...options.headers, Authorization: `Bearer ${await this.#accessToken()}` };
      try {
        return await reach(url, { ...options, headers });
      } catch (problem) {
        if (problem.status !== 401 || !this.#session) throw problem;
        if (!again || problem.reason !== "token_expired") this.#end(problem);
        await this.#refresh();
      }
    }
  }

  async #accessToken() {
    if (this.#session?.expires_at - EARLY_MS < Date.now()) await this.#refresh();
    if (!this.#session) throw new Problem(401, LOGGED_OUT);
    return this.#session.access_token;
  }

  // One at a time: used a second time, the refresh token ends the session.
  #refresh() {
    this.#refreshing ??= this.#renew().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async #renew() {
    const { refresh_token, user, window } = this.#session;
    try {
      const answer = await reach("/api/auth/refresh", asJson({ refresh_token }));
      const tokens = await answer.json();
      if (this.#session) this.#keep(tokens, user, window);
    } catch (problem) {
      if (problem.status !== 401 || !this.#session) throw problem;
      this.#end(problem);
    }
  }

  #keep(tokens, user, window) {
    const { access_token, refresh_token } = tokens;
    const expires_at = Date.now() + tokens.expires_in * 1000;
    this.#session = { access_token, refresh_token, expires_at, user, window };
    sessionStorage.setItem(KEPT, JSON.stringify(this.#session));
  }

  #forget() {
    this.#session = null;
    sessionStorage.removeItem(KEPT);
  }

  #end(problem) {
    this.#forget();
    this.#onEnd();
    throw problem;
  }
}
