/** Every refusal as a class. */

/** @import * as T from "./internal.js" */

export class SessionStoreError extends Error {
  /** @param {string} reason @param {T.ErrorDetail} [detail] */
  constructor(reason, { hint, code, current, retryAfterSeconds, limit, actual } = {}) {
    super(hint ? `${reason}: ${hint}` : reason);
    Object.assign(this, { name: "SessionStoreError", reason, hint, code, current, retryAfterSeconds, limit, actual });
  }
}

/** @type {Map<string, typeof SessionStoreError>} */
export const ERRORS = new Map();

const refusal = (name = "") => {
  const Refusal = class extends SessionStoreError {};
  ERRORS.set(name.replace(/\B[A-Z]/g, "_$&").toUpperCase(), Refusal);
  return Refusal;
};

/** @type {Record<string, typeof SessionStoreError>} */
const refusals = new Proxy({}, { get: (_, name) => refusal(String(name)) });

/** Each made for the reason that its name spells. */
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
