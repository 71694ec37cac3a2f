/** Actions: what a configuration says is to go wrong, and when. */
import { ConfigError, Database, DataError, decodeUtf8, FatalError, File, http, key, Lease, log, RetriableError, Schema, wait } from 'millstream';
import { show, showText } from './show';
/** The key that has them. */
export const doKey = key.string('do').default('').importance('low').doc('What goes wrong, and when.');
/** The actions of one object. */
export class Actions {
    #entries;
    #calls = new Map();
    #lease = null;
    constructor(text) {
        const entries = (text ?? '').split(';').map((entry) => entry.trim()).filter((entry) => entry !== '');
        this.#entries = entries.map((entry) => {
            const found = /^([^:#]*)(?:#(\d+))?:(.*)$/s.exec(entry);
            if (found === null)
                throw new ConfigError(`cannot read the action ${entry}`);
            return { place: found[1].trim(), call: found[2] === undefined ? null : Number(found[2]), action: found[3].trim() };
        });
    }
    /** Does what is to be done in a call of a place; `otherwise` does what only its caller can do. */
    run(place, otherwise = () => false) {
        const call = (this.#calls.get(place) ?? 0) + 1;
        this.#calls.set(place, call);
        for (const entry of this.#entries) {
            if (entry.place !== place || (entry.call !== null && entry.call !== call))
                continue;
            const words = entry.action.split(' ');
            if (!this.#act(place, words) && !otherwise(words))
                throw new ConfigError(`cannot read the action ${entry.action}`);
        }
    }
    /** False if the action is not one that every place has. */
    #act(place, words) {
        const [name, first = '', ...more] = words;
        switch (name) {
            case 'fail':
                throw failure(first, place);
            case 'own':
                throw own();
            case 'panic':
                return panicOnPurpose();
            case 'loop':
                return computeForEver();
            case 'recurse':
                log.info(String(callMyself(0)));
                return true;
            case 'hoard':
                return hoard();
            case 'log':
                log[first](more.join(' '));
                return true;
            case 'flood':
                for (let line = 0; line < Number(first); line++)
                    log.info(`line ${line}`);
                return true;
            case 'wait':
                log.info(`waited ${wait(Number(first))}`);
                return true;
            case 'read': {
                const file = File.open(first);
                log.info(`read ${file === null ? 'null' : showText(file.readText())}`);
                return true;
            }
            case 'append': {
                const file = File.open(first);
                if (file === null)
                    throw new FatalError('the file was not created');
                file.write(`${more.join(' ')}\n`);
                file.sync();
                return true;
            }
            case 'lease':
                return this.#leaseAct([first, ...more]);
            case 'sql':
                for (const row of Database.open('db').query("select 1 + 1 as n, 'x' as s"))
                    log.info(`sql ${show(row, rowSchema)}`);
                return true;
        }
        return false;
    }
    #leaseAct([what, name = '', value = '']) {
        if (what === 'obtain') {
            this.#lease = Lease.obtain();
            log.info(`lease ${this.#lease.epoch}`);
            return true;
        }
        const lease = this.#lease;
        if (lease === null)
            throw new FatalError('there is no lease');
        switch (what) {
            case 'confirm':
                lease.confirm();
                log.info('lease confirmed');
                return true;
            case 'keys':
                log.info(`lease keys ${lease.keys().join(', ')}`);
                return true;
            case 'read': {
                const kept = lease.get(name);
                log.info(`lease ${name}=${kept === null ? 'null' : decodeUtf8(kept)}`);
                return true;
            }
            case 'write':
                lease.write({ [name]: value === '-' ? null : value });
                return true;
        }
        return false;
    }
}
/** What the host names the values of a query. */
const rowSchema = Schema.struct({ n: Schema.int64, s: Schema.string });
/** A request to the server that a configuration names. */
export function get(url) {
    const answer = http.get(url ?? '');
    log.info(`http ${answer.status} ${showText(answer.text())}`);
    return true;
}
/** The failure that the action `fail` is. */
export function failure(kind, place) {
    const message = `failed on purpose in ${place}`;
    if (kind === 'retriable')
        return new RetriableError(message);
    if (kind === 'data')
        return new DataError(message);
    return kind === 'config' ? new ConfigError(message) : new FatalError(message);
}
/** A failure under a class of one's own, with causes. */
export function own() {
    return new FatalError('my own words', { className: 'org.millstream.kit.OwnException', causes: ['java.io.IOException: outer', 'inner'] });
}
export function panicOnPurpose() {
    return deeper();
}
function deeper() {
    throw new Error('panicked on purpose');
}
function computeForEver() {
    for (let number = 0; number >= 0; number = (number + 1) % 1000)
        ;
    return true;
}
function callMyself(level) {
    return callMyself(level + 1) + 1;
}
function hoard() {
    const pieces = [];
    for (;;)
        pieces.push(new Uint8Array(1 << 20).fill(1));
}
