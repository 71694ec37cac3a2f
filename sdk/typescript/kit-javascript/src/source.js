/** The source: makes the records that its configuration names. */
import { ConfigError, decodeUtf8, FatalError, File, float64, key, log, opens, RetriableError, rest, Schema, source, validators, valueText, wait, } from 'millstream';
import { Actions, doKey, get } from './kit';
import { show } from './show';
import { typedRecords } from './types';
const keys = {
    topic: key.string('topic').required().nonEmpty().importance('high').doc('Where records go.').group('Kit', 1).width('long').displayName('Topic'),
    mode: key.string('mode').default('counter').oneOf('counter', 'types', 'lines').doc('What records there are.'),
    records: key.int('records').default(3).range(0, 1_000_000).doc('How many records there are.'),
    perPoll: key.int('per.poll').default(2).range(1, 10_000),
    tasks: key.int('tasks').default(1).range(1, 100),
    file: key.string('file').opens(opens.readFile),
    flag: key.boolean('flag').default(false).nullable().dependents('small'),
    small: key.short('small').default(7).nullable(),
    big: key.long('big').default(9007199254740993n).nullable(),
    ratio: key.double('ratio').default(0.5).validator(validators.range(0, 1)),
    names: key.list('names').default(['a', 'b']).nonEmptyList(),
    secret: key.password('secret'),
    helper: key.class('helper').recommended('org.example.A', 'org.example.B'),
    even: key.int('even').default(2).check((number) => (number % 2 === 0 ? null : 'expected an even number')),
    low: key.int('low').default(0),
    high: key.int('high').default(10),
    url: key.string('url').opens(opens.httpUrl()),
    db: key.string('db').opens(opens.sql()),
    do: doKey,
};
/** What is wrong with two keys together. */
function lowAboveHigh(config) {
    const number = (name, otherwise) => Number(config.get(name) ?? otherwise);
    return number('high', 10) < number('low', 0);
}
/** Does what connectors of both kinds can do. */
export function act(actions, context, place) {
    actions.run(place, ([name, first]) => {
        if (name === 'reconfigure')
            context.requestTaskReconfiguration();
        else if (name === 'raise')
            context.raiseError(new FatalError('raised on purpose'));
        else if (name === 'configs-rest')
            rest(Number(first));
        else
            return false;
        return true;
    });
}
/** A task's configuration: the connector's own, and the task's number. */
export function numbered(originals, count) {
    return Array.from({ length: count }, (_, task) => originals.with('task', String(task)));
}
const counter = { kit: 'counter' };
class KitSourceTask {
    config;
    context;
    #actions;
    #next = 0n;
    #sentTypes = false;
    #lines = null;
    constructor(config, context) {
        this.config = config;
        this.context = context;
        this.#actions = new Actions(config.do);
        log.info('start');
        this.#act('start');
        const { flag, small, big, ratio, names, secret, helper } = config;
        log.info(`config flag=${flag} small=${small} big=${big} ratio=${valueText(float64(ratio))} names=[${names.join(', ')}] secret=${secret === null ? 'null' : 'set'} helper=${helper}`);
        if (config.mode === 'counter') {
            const stored = context.offset(counter);
            if (stored !== null)
                this.#next = BigInt(stored.n) + 1n;
            log.info(`from ${this.#next}`);
        }
    }
    poll(limits) {
        const answer = this.#act('poll');
        if (answer !== undefined)
            return answer;
        const { mode, topic, perPoll, records } = this.config;
        if (mode === 'types') {
            if (this.#sentTypes)
                return [];
            this.#sentTypes = true;
            return typedRecords(topic);
        }
        if (mode === 'lines')
            return this.#readLines();
        const made = [];
        for (let left = Math.min(perPoll, limits.maxRecords); left > 0 && this.#next < records; left--) {
            const n = this.#next++;
            made.push({ topic, key: `k${n}`, keySchema: Schema.string, value: n, valueSchema: Schema.int64, sourcePartition: counter, sourceOffset: { n } });
        }
        if (made.length === 0)
            wait(Math.min(limits.maxWaitMs, 20));
        return made;
    }
    committed(rows) {
        log.info(`committed ${rows.map(({ topic, partition, offset }) => (offset === null ? `${topic}-none` : `${topic}-${partition}@${offset}`)).join(' ')}`);
        this.#act('committed');
    }
    commit() {
        log.info('commit');
        this.#act('commit');
    }
    stop() {
        log.info('stop');
        this.#act('stop');
    }
    /** Does what is to be done in a call; in `poll` that may be its answer. */
    #act(place) {
        let answer;
        const { topic, url } = this.config;
        this.#actions.run(place, ([name, first]) => {
            if (name === 'offset')
                log.info(`offset ${show(this.context.offset(counter))}`);
            else if (name === 'http')
                get(url);
            else if (name === 'rest') {
                rest(Number(first));
                answer = [];
            }
            else if (name === 'nothing')
                answer = [];
            else if (name === 'bad')
                answer = [{ topic, value: 'seven', valueSchema: Schema.int32 }];
            else if (name === 'wrong')
                answer = 7;
            else if (name === 'huge')
                answer = [{ topic, value: 'x'.repeat(Number(first)) }];
            else
                return this.#endTransaction(name, Number(first));
            return true;
        });
        return answer;
    }
    #endTransaction(name, row) {
        if (!/^(commit|abort)(-after)?$/.test(name))
            return false;
        const { transaction } = this.context;
        if (transaction === null)
            log.info('no transactions');
        else if (name === 'commit')
            transaction.commit();
        else if (name === 'abort')
            transaction.abort();
        else if (name === 'commit-after')
            transaction.commitAfter(row);
        else
            transaction.abortAfter(row);
        return true;
    }
    #readLines() {
        const { topic, file: name, perPoll } = this.config;
        const sourcePartition = { file: name };
        if (this.#lines === null) {
            const file = File.open('file');
            if (file === null)
                throw new RetriableError(`there is no file ${name}`);
            const position = Number(this.context.offset(sourcePartition)?.position ?? 0);
            file.seek(position);
            this.#lines = { file, position, unsent: new Uint8Array(0) };
        }
        const lines = this.#lines;
        const more = lines.file.read(1 << 16);
        const unsent = new Uint8Array(lines.unsent.length + more.length);
        unsent.set(lines.unsent);
        unsent.set(more, lines.unsent.length);
        const records = [];
        let at = 0;
        for (let end = unsent.indexOf(10); end >= 0 && records.length < perPoll; end = unsent.indexOf(10, at)) {
            lines.position += end + 1 - at;
            records.push({ topic, value: decodeUtf8(unsent.subarray(at, end)), sourcePartition, sourceOffset: { position: lines.position } });
            at = end + 1;
        }
        lines.unsent = unsent.slice(at);
        if (records.length === 0 && lines.file.endsRest())
            rest(1000);
        return records;
    }
}
export const kitSource = source({
    class: 'org.millstream.kit.KitSourceConnector',
    taskClass: 'org.millstream.kit.KitSourceTask',
    aliases: ['Kit'],
    version: '1.0.0',
    doc: 'Makes the records that its configuration names.',
    wantsCommitted: true,
    wantsLease: true,
    config: keys,
    connector(config, context) {
        const actions = new Actions(config.do);
        log.info('connector-start');
        act(actions, context, 'connector-start');
        if (config.low > config.high)
            throw new ConfigError('low is above high');
        return {
            taskConfigs(maxTasks) {
                log.info(`task-configs ${maxTasks}`);
                act(actions, context, 'task-configs');
                return numbered(config.originals, Math.min(maxTasks, config.tasks));
            },
            stop() {
                log.info('connector-stop');
                act(actions, context, 'connector-stop');
            },
        };
    },
    task: (config, context) => new KitSourceTask(config, context),
    validate(config) {
        log.info('validate');
        new Actions(config.get('do')).run('validate');
        return lowAboveHigh(config) ? { low: 'low is above high' } : {};
    },
    exactlyOnceSupport(config) {
        log.info('exactly-once');
        new Actions(config.get('do')).run('exactly-once');
        return 'supported';
    },
    canDefineTransactionBoundaries(config) {
        log.info('boundaries');
        new Actions(config.get('do')).run('boundaries');
        return 'supported';
    },
    alterOffsets(config, offsets) {
        for (const [partition, offset] of offsets)
            log.info(`alter-offsets ${show(partition)} ${show(offset)}`);
        new Actions(config.get('do')).run('alter-offsets');
        if (offsets.some(([, offset]) => offset !== null && !('n' in offset)))
            throw new FatalError('offset has no n');
        return true;
    },
});
