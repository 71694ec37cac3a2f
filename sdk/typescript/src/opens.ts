/**
 * What the value of a key opens for the plugin.
 *
 * A plugin reaches nothing outside by itself. It gets what the user's configuration names under keys that say so, as far as
 * the worker allows it.
 */

/** Roles of other keys for an HTTP server, as `description.md` beside the contract lists them. */
export type HttpRoles = Readonly<Record<string, string | readonly string[]>>;

/** What a key opens. */
export type Opens =
  | { file: 'read' | 'append'; or?: 'stdin' | 'stdout' }
  | { http: 'url' | 'origins'; with: HttpRoles }
  | { socket: 'address' }
  | { topic: 'write'; default: string; replication: string }
  | { sql: { user?: string; password?: string; properties?: string } };

/** What the value of a key can open. */
export const opens = {
  /** The file that the value names, for reading. */
  readFile: { file: 'read' } as Opens,
  /** The same, or the worker's standard input if the value is missing or empty. */
  readFileOrStdin: { file: 'read', or: 'stdin' } as Opens,
  /** The file that the value names, made if it is missing, for reading and for writing at its end. */
  appendFile: { file: 'append' } as Opens,
  /** The same, or the worker's standard output if the value is missing or empty. */
  appendFileOrStdout: { file: 'append', or: 'stdout' } as Opens,
  /**
   * The server that the value names as a URL, for {@link http}. `roles` says which keys have what belongs to it:
   * `{ password: 'connection.password' }`. The plugin reads `[hidden]` where a value is a secret; the host adds it.
   */
  httpUrl: (roles: HttpRoles = {}): Opens => ({ http: 'url', with: roles }),
  /** The servers that the value lists as origins, or patterns of them. */
  httpOrigins: (roles: HttpRoles = {}): Opens => ({ http: 'origins', with: roles }),
  /** The servers that the value names as `host:port`. QuickJS components have no sockets: for keys that only other plugins read. */
  socket: { socket: 'address' } as Opens,
  /** The topic that the value names, for a sink's `report.write`; `replication` is the key of its replication factor. */
  topic: (name: string, replication: string): Opens => ({ topic: 'write', default: name, replication }),
  /** The database that the value names as a JDBC URL, for {@link Database}; keys that complete it. */
  sql: (keys: { user?: string; password?: string; properties?: string } = {}): Opens => ({ sql: keys }),
};
