/** Refusals as classes. */

/** @import * as T from "./internal.js" */

export class SessionStoreError extends Error {
  /** @param {string} reason @param {T.ErrorDetail} [detail] */
  constructor(reason, detail = {}) {
    super(detail.hint ? `${reason}: ${detail.hint}` : reason);
    Object.assign(this, detail, { name: "SessionStoreError", reason });
  }
}

/** @type {Map<string, typeof SessionStoreError>} */
export const ERRORS = new Map();

/** @type {Record<string, typeof SessionStoreError>} */
const refusals = new Proxy(
  {},
  {
    get(_, /** @type {string} */ name) {
      const Refusal = class extends SessionStoreError {};
      ERRORS.set(name.replace(/\B[A-Z]/g, "_$&").toUpperCase(), Refusal);
      return Refusal;
    },
  },
);

export const {
  ParseError,
  InvalidRequest,
  MethodNotFound,
  InvalidParams,
  InternalError,
  NotOpen,
  AccessDenied,
  NoSuchSession,
  NotJoined,
  VersionConflict,
  ValueTooLarge,
  TooManyKeys,
  StoreTooLarge,
  InvalidKey,
  InvalidFilter,
  Unavailable,
  RateLimited,
  LimitExceeded,
  InvalidValue,
  LockNotHeld,
  LockTimeout,
  WrongTransport,
  NotFound,
  StoreDestroyed,
  Disconnected,
  OutcomeUnknown,
} = refusals;

/** @type {T.ErrorFor} */
export const errorFor = (reason, detail) => new (ERRORS.get(reason) ?? SessionStoreError)(reason, detail);
