// Scenarios with kafkajs, whose package brings no tests of its own. BROKER is the broker's address.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import test from 'node:test'
import kafkajs from 'kafkajs'
import LZ4Codec from 'kafkajs-lz4'
import SnappyCodec from 'kafkajs-snappy'

const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, Partitioners, logLevel } = kafkajs
CompressionCodecs[CompressionTypes.Snappy] = SnappyCodec
CompressionCodecs[CompressionTypes.LZ4] = new LZ4Codec().codec

const kafka = new Kafka({ clientId: 'scenarios', brokers: [process.env.BROKER], logLevel: logLevel.NOTHING })
const LIMIT_MS = 60_000
const fresh = kind => `${kind}-${randomUUID()}`

/** Polls a condition until it holds. */
async function eventually(what, holds) {
  const end = Date.now() + LIMIT_MS
  for (;;) {
    const found = await holds()
    if (found) return found
    assert.ok(Date.now() < end, `not within ${LIMIT_MS} ms: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

async function withAdmin(work) {
  const admin = kafka.admin()
  await admin.connect()
  try {
    return await work(admin)
  } finally {
    await admin.disconnect()
  }
}

async function topic(numPartitions = 1) {
  const name = fresh('topic')
  await withAdmin(admin => admin.createTopics({ topics: [{ topic: name, numPartitions }], waitForLeaders: true }))
  return name
}

async function withProducer(options, work) {
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, ...options })
  await producer.connect()
  try {
    return await work(producer)
  } finally {
    await producer.disconnect()
  }
}

const send = (name, messages, more = {}) =>
  withProducer({}, producer => producer.send({ topic: name, messages, ...more }))

/** A running consumer that keeps what it reads; `stop` ends it. */
async function reader(name, options = {}, run = {}) {
  const consumer = kafka.consumer({ groupId: fresh('group'), rebalanceTimeout: 10_000, ...options })
  const read = []
  await consumer.connect()
  await consumer.subscribe({ topics: [name], fromBeginning: true })
  await consumer.run({ eachMessage: async ({ message, partition }) => read.push({ partition, ...message }), ...run })
  return { consumer, read, stop: () => consumer.disconnect() }
}

async function values(name, count, options = {}) {
  const running = await reader(name, options)
  await eventually(`${count} records of ${name}`, () => running.read.length >= count)
  await running.stop()
  return running.read.map(message => message.value?.toString() ?? null)
}

for (const [codec, type] of Object.entries({
  none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy, lz4: CompressionTypes.LZ4,
})) {
  test(`records sent with ${codec} are read`, async () => {
    const name = await topic()
    const expected = Array.from({ length: 200 }, (_, number) => `value ${number}`)
    await send(name, expected.map(value => ({ value })), { compression: type })
    assert.deepEqual(await values(name, expected.length), expected)
  })
}

test('keys, headers, time stamps, empty and absent values are kept', async () => {
  const name = await topic()
  await send(name, [
    { key: 'k', value: 'v', headers: { h: 'one', many: ['two', 'three'] }, timestamp: '1700000000000' },
    { key: null, value: '' },
    { key: 'gone', value: null },
  ])
  const { read, stop } = await reader(name)
  await eventually('three records', () => read.length === 3)
  await stop()
  assert.equal(read[0].key.toString(), 'k')
  assert.equal(read[0].timestamp, '1700000000000')
  assert.equal(read[0].headers.h.toString(), 'one')
  assert.deepEqual(read[0].headers.many.map(String), ['two', 'three'])
  assert.equal(read[1].key, null)
  assert.equal(read[1].value.length, 0)
  assert.equal(read[2].value, null)
})

for (const acks of [0, 1, -1]) {
  test(`acks=${acks} delivers`, async () => {
    const name = await topic()
    await send(name, [{ value: 'x' }], { acks })
    assert.deepEqual(await values(name, 1), ['x'])
  })
}

test('an idempotent producer sends in order', async () => {
  const name = await topic()
  await withProducer({ idempotent: true, maxInFlightRequests: 1 }, async producer => {
    for (let number = 0; number < 50; number++) await producer.send({ topic: name, messages: [{ value: `${number}` }] })
  })
  assert.deepEqual(await values(name, 50), Array.from({ length: 50 }, (_, number) => `${number}`))
})

test('readers of committed records see a transaction that was committed and none that was aborted', async () => {
  const name = await topic(2)
  await withProducer({ transactionalId: fresh('txn'), idempotent: true, maxInFlightRequests: 1 }, async producer => {
    for (let number = 0; number < 10; number++) {
      const transaction = await producer.transaction()
      await transaction.send({ topic: name, messages: [{ value: `${number}`, partition: number % 2 }] })
      await (number % 3 === 0 ? transaction.abort() : transaction.commit())
    }
    const last = await producer.transaction()
    await last.send({ topic: name, messages: [{ value: 'last', partition: 0 }, { value: 'last', partition: 1 }] })
    await last.commit()
  })
  const read = await values(name, 8, { readUncommitted: false })
  assert.deepEqual(read.sort(), ['1', '2', '4', '5', '7', '8', 'last', 'last'])
  const all = await values(name, 12, { readUncommitted: true })
  assert.equal(all.length, 12)
})

test('offsets sent with a transaction are committed with it and not with an abort', async () => {
  const name = await topic()
  const group = fresh('group')
  await withProducer({ transactionalId: fresh('txn'), idempotent: true, maxInFlightRequests: 1 }, async producer => {
    const offsets = offset => ({ consumerGroupId: group, topics: [{ topic: name, partitions: [{ partition: 0, offset }] }] })
    const kept = await producer.transaction()
    await kept.send({ topic: name, messages: [{ value: 'a' }] })
    await kept.sendOffsets(offsets('7'))
    await kept.commit()
    const dropped = await producer.transaction()
    await dropped.send({ topic: name, messages: [{ value: 'b' }] })
    await dropped.sendOffsets(offsets('9'))
    await dropped.abort()
  })
  await withAdmin(async admin => {
    const [{ partitions }] = await admin.fetchOffsets({ groupId: group, topics: [name] })
    assert.equal(partitions[0].offset, '7')
  })
})

test('a second producer with the same transactional id fences the first', async () => {
  const name = await topic()
  const transactionalId = fresh('txn')
  const options = { transactionalId, idempotent: true, maxInFlightRequests: 1, retry: { retries: 1 } }
  await withProducer(options, async first => {
    const begun = await first.transaction()
    await begun.send({ topic: name, messages: [{ value: 'first' }] })
    await withProducer(options, async second => {
      const transaction = await second.transaction()
      await transaction.send({ topic: name, messages: [{ value: 'second' }] })
      await transaction.commit()
    })
    await assert.rejects(() => begun.commit())
  })
  assert.deepEqual(await values(name, 1, { readUncommitted: false }), ['second'])
})

test('two members share the partitions, and one takes over what the other leaves', async () => {
  const name = await topic(4)
  const groupId = fresh('group')
  const assigned = new Map()
  const member = async label => {
    const consumer = kafka.consumer({ groupId, rebalanceTimeout: 10_000, heartbeatInterval: 500, sessionTimeout: 10_000 })
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => assigned.set(label, payload.memberAssignment[name] ?? []))
    await consumer.connect()
    await consumer.subscribe({ topics: [name], fromBeginning: true })
    await consumer.run({ eachMessage: async () => {} })
    return consumer
  }
  const first = await member('first')
  await eventually('the first has all', () => assigned.get('first')?.length === 4)
  const second = await member('second')
  await eventually('they share', () => assigned.get('first')?.length === 2 && assigned.get('second')?.length === 2)
  await first.disconnect()
  await eventually('the second has all', () => assigned.get('second')?.length === 4)
  await second.disconnect()
})

test('a group goes on behind what it committed', async () => {
  const name = await topic()
  const groupId = fresh('group')
  await send(name, ['a', 'b', 'c'].map(value => ({ value })))
  assert.deepEqual(await values(name, 3, { groupId }), ['a', 'b', 'c'])
  await send(name, [{ value: 'd' }])
  assert.deepEqual(await values(name, 1, { groupId }), ['d'])
})

test('seek, pause and resume', async () => {
  const name = await topic()
  await send(name, Array.from({ length: 10 }, (_, number) => ({ value: `${number}` })))
  const { consumer, read, stop } = await reader(name)
  consumer.seek({ topic: name, partition: 0, offset: '7' })
  await eventually('the seek', () => read.at(-1)?.value.toString() === '9')
  consumer.pause([{ topic: name }])
  const before = read.length
  await send(name, [{ value: 'later' }])
  consumer.resume([{ topic: name }])
  await eventually('the record after the pause', () => read.length > before && read.at(-1).value.toString() === 'later')
  await stop()
})

test('a subscription by pattern finds its topics', async () => {
  const prefix = fresh('pattern')
  const names = [`${prefix}-a`, `${prefix}-b`]
  await withAdmin(admin => admin.createTopics({ topics: names.map(topic => ({ topic })), waitForLeaders: true }))
  for (const name of names) await send(name, [{ value: name }])
  const consumer = kafka.consumer({ groupId: fresh('group') })
  const read = []
  await consumer.connect()
  await consumer.subscribe({ topics: [new RegExp(`^${prefix}-.*`)], fromBeginning: true })
  await consumer.run({ eachMessage: async ({ message }) => read.push(message.value.toString()) })
  await eventually('both topics', () => read.length === 2)
  await consumer.disconnect()
  assert.deepEqual(read.sort(), names)
})

test('a record of 900 kB passes, and one above the limit is refused', async () => {
  const name = await topic()
  await send(name, [{ value: Buffer.alloc(900_000, 'x') }])
  const [value] = await values(name, 1)
  assert.equal(value.length, 900_000)
  await assert.rejects(() => send(name, [{ value: Buffer.alloc(2_000_000, 'x') }]), { type: 'MESSAGE_TOO_LARGE' })
})

test('sending to a topic that is not there creates it', async () => {
  const name = fresh('created')
  await send(name, [{ value: 'x' }])
  assert.deepEqual(await values(name, 1), ['x'])
})

test('admin: topics are created, listed, described, extended and deleted', () => withAdmin(async admin => {
  const name = fresh('topic')
  assert.equal(await admin.createTopics({ topics: [{ topic: name, numPartitions: 2 }], waitForLeaders: true }), true)
  assert.equal(await admin.createTopics({ topics: [{ topic: name }] }), false)
  assert.ok((await admin.listTopics()).includes(name))
  await admin.createPartitions({ topicPartitions: [{ topic: name, count: 5 }] })
  const partitions = async () => (await admin.fetchTopicMetadata({ topics: [name] })).topics[0].partitions
  await eventually('five partitions', async () => (await partitions()).length === 5)
  await admin.deleteTopics({ topics: [name] })
  await eventually('it is gone', async () => !(await admin.listTopics()).includes(name))
  await assert.rejects(() => admin.createTopics({ topics: [{ topic: 'a b' }] }))
}))

test('admin: configs are described and altered', () => withAdmin(async admin => {
  const name = await topic()
  const resource = { type: ConfigResourceTypes.TOPIC, name }
  await admin.alterConfigs({
    validateOnly: false,
    resources: [{ ...resource, configEntries: [{ name: 'retention.ms', value: '12345' }] }],
  })
  const entry = async () => {
    const { resources } = await admin.describeConfigs({ includeSynonyms: true, resources: [{ ...resource, configNames: ['retention.ms'] }] })
    return resources[0].configEntries[0]
  }
  await eventually('the new value', async () => (await entry()).configValue === '12345')
  assert.equal((await entry()).isDefault, false)
  const refused = { validateOnly: false, resources: [{ ...resource, configEntries: [{ name: 'retention.ms', value: 'x' }] }] }
  await assert.rejects(() => admin.alterConfigs(refused), { type: 'INVALID_CONFIG' })
}))

test('admin: offsets of topics, by time too, and records deleted up to one', () => withAdmin(async admin => {
  const name = await topic()
  await send(name, [1000, 2000, 3000].map(timestamp => ({ value: 'x', timestamp: `${timestamp}` })))
  const [{ high, low }] = await admin.fetchTopicOffsets(name)
  assert.deepEqual([low, high], ['0', '3'])
  assert.equal((await admin.fetchTopicOffsetsByTimestamp(name, 1500))[0].offset, '1')
  await admin.deleteTopicRecords({ topic: name, partitions: [{ partition: 0, offset: '2' }] })
  assert.equal((await admin.fetchTopicOffsets(name))[0].low, '2')
}))

test('admin: offsets of a group are set, reset and read', () => withAdmin(async admin => {
  const name = await topic()
  const groupId = fresh('group')
  await send(name, [{ value: 'a' }, { value: 'b' }])
  await admin.setOffsets({ groupId, topic: name, partitions: [{ partition: 0, offset: '1' }] })
  const offset = async () => (await admin.fetchOffsets({ groupId, topics: [name] }))[0].partitions[0].offset
  assert.equal(await offset(), '1')
  assert.deepEqual(await values(name, 1, { groupId }), ['b'])
  await admin.resetOffsets({ groupId, topic: name, earliest: true })
  const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: [name], resolveOffsets: true })
  assert.equal(partitions[0].offset, '0')
}))

test('admin: groups are listed, described and deleted', () => withAdmin(async admin => {
  const name = await topic()
  const groupId = fresh('group')
  const { stop } = await reader(name, { groupId })
  const described = async () => (await admin.describeGroups([groupId])).groups[0]
  await eventually('it is stable', async () => (await described()).state === 'Stable')
  const { members: [member] } = await described()
  assert.equal(member.clientId, 'scenarios')
  assert.ok((await admin.listGroups()).groups.some(group => group.groupId === groupId && group.protocolType === 'consumer'))
  await assert.rejects(() => admin.deleteGroups([groupId]))
  await stop()
  await admin.deleteGroups([groupId])
  assert.ok(!(await admin.listGroups()).groups.some(group => group.groupId === groupId))
}))

test('admin: the cluster is described', () => withAdmin(async admin => {
  const { brokers, controller, clusterId } = await admin.describeCluster()
  assert.equal(brokers.length, 1)
  assert.equal(controller, brokers[0].nodeId)
  assert.ok(clusterId)
}))
