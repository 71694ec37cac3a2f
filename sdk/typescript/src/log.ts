/** Writing to the worker's log. Lines carry the connector and task by themselves. Never log data. */

import { host } from './host';

/** How much a line matters. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

function write(level: LogLevel, message: string | (() => string)): void {
  const to = host();
  if (!to.logEnabled(level)) return;
  to.log(level, typeof message === 'string' ? message : message());
}

/** Writes a line, if its level is kept; a function is only asked then. Lines beyond the host's rate are dropped and counted. */
export const log = {
  /** Whether a line of this level would be kept. */
  enabled: (level: LogLevel): boolean => host().logEnabled(level),
  /** Every step, for following one record. */
  trace: (message: string | (() => string)): void => write('trace', message),
  /** What a developer wants to know. */
  debug: (message: string | (() => string)): void => write('debug', message),
  /** What an operator wants to know. */
  info: (message: string | (() => string)): void => write('info', message),
  /** What an operator should look into. */
  warn: (message: string | (() => string)): void => write('warn', message),
  /** What has gone wrong. */
  error: (message: string | (() => string)): void => write('error', message),
};
