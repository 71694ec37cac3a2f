// Sends requests that a broker has to refuse, or has little to answer to, and prints the answers: name|version|answer.
// The answers of 4.3.0 stand in host/broker/tests/recorded/refusals-4.3.txt; again, with a broker that kafka.sh started
// anew, by
//
//     java -cp "$(tests/compat/kafka.sh libs)/*" tests/compat/Refusals.java HOST PORT

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.List;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.*;
import org.apache.kafka.common.protocol.*;
import org.apache.kafka.common.requests.RequestHeader;

public class Refusals {
    static String host;
    static int port;

    public static void main(String[] arguments) throws Exception {
        host = arguments[0];
        port = Integer.parseInt(arguments[1]);
        call("make a topic", ApiKeys.CREATE_TOPICS, 5, new CreateTopicsRequestData().setTimeoutMs(30000).setTopics(
            new CreateTopicsRequestData.CreatableTopicCollection(List.of(new CreateTopicsRequestData.CreatableTopic()
                .setName("known").setNumPartitions(2).setReplicationFactor((short) 1)).iterator())), false);
        for (byte type : new byte[] {0, 1}) {
            for (int ready = 0; ready < 100; ready++) {
                var found = call("", ApiKeys.FIND_COORDINATOR, 3,
                    new FindCoordinatorRequestData().setKey("ready").setKeyType(type), false);
                if (found.contains("\"errorCode\":0")) break;
                Thread.sleep(100);
            }
        }
        leaders();
        acls();
        coordinators();
        producers();
        groups();
        consumerGroups();
    }

    static void leaders() throws Exception {
        for (int version : new int[] {0, 1, 2}) {
            var topics = new ElectLeadersRequestData.TopicPartitionsCollection();
            topics.add(new ElectLeadersRequestData.TopicPartitions().setTopic("known").setPartitions(List.of(0, 7)));
            topics.add(new ElectLeadersRequestData.TopicPartitions().setTopic("missing").setPartitions(List.of(0)));
            var request = new ElectLeadersRequestData().setTopicPartitions(topics).setTimeoutMs(10000);
            call("elect leaders", ApiKeys.ELECT_LEADERS, version, request, true);
        }
    }

    static void acls() throws Exception {
        call("describe acls", ApiKeys.DESCRIBE_ACLS, 3, new DescribeAclsRequestData().setResourceTypeFilter((byte) 1)
            .setPatternTypeFilter((byte) 1).setOperation((byte) 1).setPermissionType((byte) 1), true);
        call("create acls", ApiKeys.CREATE_ACLS, 3, new CreateAclsRequestData().setCreations(List.of(
            new CreateAclsRequestData.AclCreation().setResourceType((byte) 2).setResourceName("known")
                .setPrincipal("User:a").setHost("*").setOperation((byte) 3).setPermissionType((byte) 3))), true);
        call("delete acls", ApiKeys.DELETE_ACLS, 3, new DeleteAclsRequestData().setFilters(List.of(
            new DeleteAclsRequestData.DeleteAclsFilter().setResourceTypeFilter((byte) 1).setPatternTypeFilter((byte) 1)
                .setOperation((byte) 1).setPermissionType((byte) 1))), true);
    }

    static void coordinators() throws Exception {
        for (int type : new int[] {0, 1, 2, 3, 5, -1}) {
            for (int version : new int[] {1, 3, 4, 5, 6}) {
                var request = new FindCoordinatorRequestData().setKeyType((byte) type);
                if (version < 4) request.setKey("some"); else request.setCoordinatorKeys(List.of("some", ""));
                call("find coordinator of type " + type, ApiKeys.FIND_COORDINATOR, version, request, true);
            }
        }
        call("find coordinator of nobody", ApiKeys.FIND_COORDINATOR, 3, new FindCoordinatorRequestData().setKey(""), true);
        call("find no coordinator", ApiKeys.FIND_COORDINATOR, 4, new FindCoordinatorRequestData(), true);
    }

    static void producers() throws Exception {
        call("producer id of an empty transactional id", ApiKeys.INIT_PRODUCER_ID, 5,
            new InitProducerIdRequestData().setTransactionalId("").setTransactionTimeoutMs(60000), true);
        for (int timeout : new int[] {0, -1, 900001}) {
            call("producer id with the timeout " + timeout, ApiKeys.INIT_PRODUCER_ID, 5,
                new InitProducerIdRequestData().setTransactionalId("x").setTransactionTimeoutMs(timeout), true);
        }
        call("producer id that has an id and no epoch", ApiKeys.INIT_PRODUCER_ID, 5, new InitProducerIdRequestData()
            .setTransactionalId("x").setTransactionTimeoutMs(60000).setProducerId(5), true);
        call("producer id that has an epoch and no id", ApiKeys.INIT_PRODUCER_ID, 5, new InitProducerIdRequestData()
            .setTransactionalId("x").setTransactionTimeoutMs(60000).setProducerEpoch((short) 5), true);
    }

    static void groups() throws Exception {
        for (int version : new int[] {0, 5, 6}) {
            for (var group : List.of("missing", "")) {
                call("describe group '" + group + "'", ApiKeys.DESCRIBE_GROUPS, version,
                    new DescribeGroupsRequestData().setGroups(List.of(group)), true);
            }
        }
        for (var states : List.of(List.of("Nonsense"), List.of("empty"), List.of("Stable", "stable"))) {
            call("list groups of state " + states, ApiKeys.LIST_GROUPS, 4,
                new ListGroupsRequestData().setStatesFilter(states), true);
        }
        for (var types : List.of(List.of("nonsense"), List.of("Classic"), List.of("consumer"), List.of("share"))) {
            call("list groups of type " + types, ApiKeys.LIST_GROUPS, 5,
                new ListGroupsRequestData().setTypesFilter(types), true);
        }
        for (var group : List.of("missing", "")) {
            call("delete group '" + group + "'", ApiKeys.DELETE_GROUPS, 2,
                new DeleteGroupsRequestData().setGroupsNames(List.of(group)), true);
        }
        for (var group : List.of("missing", "")) {
            var topics = new OffsetDeleteRequestData.OffsetDeleteRequestTopicCollection();
            topics.add(new OffsetDeleteRequestData.OffsetDeleteRequestTopic().setName("known").setPartitions(List.of(
                new OffsetDeleteRequestData.OffsetDeleteRequestPartition().setPartitionIndex(0))));
            topics.add(new OffsetDeleteRequestData.OffsetDeleteRequestTopic().setName("missing").setPartitions(List.of(
                new OffsetDeleteRequestData.OffsetDeleteRequestPartition().setPartitionIndex(0))));
            call("delete offsets of '" + group + "'", ApiKeys.OFFSET_DELETE, 0,
                new OffsetDeleteRequestData().setGroupId(group).setTopics(topics), true);
            for (int version : new int[] {0, 1, 4}) {
                call("heartbeat in '" + group + "'", ApiKeys.HEARTBEAT, version,
                    new HeartbeatRequestData().setGroupId(group).setGenerationId(1).setMemberId("m"), true);
            }
            call("sync '" + group + "'", ApiKeys.SYNC_GROUP, 5, new SyncGroupRequestData().setGroupId(group)
                .setGenerationId(1).setMemberId("m").setProtocolType("consumer").setProtocolName("range"), true);
            call("leave '" + group + "'", ApiKeys.LEAVE_GROUP, 5, new LeaveGroupRequestData().setGroupId(group)
                .setMembers(List.of(new LeaveGroupRequestData.MemberIdentity().setMemberId("m"))), true);
            for (var member : List.of("", "m")) {
                for (int generation : new int[] {-1, 0, 3}) {
                    commit(group, member, generation, 9);
                }
            }
            call("fetch offsets of '" + group + "'", ApiKeys.OFFSET_FETCH, 9, new OffsetFetchRequestData().setGroups(List.of(
                new OffsetFetchRequestData.OffsetFetchRequestGroup().setGroupId(group).setMemberId("m").setMemberEpoch(1)
                    .setTopics(null))), true);
        }
        join("session too short", "g", "", 10, "consumer", "range");
        join("session too long", "g", "", 1800001, "consumer", "range");
        join("no group", "", "", 30000, "consumer", "range");
        join("no type", "g", "", 30000, "", "range");
        join("no protocol", "g", "", 30000, "consumer");
        join("unknown member", "g", "m", 30000, "consumer", "range");
    }

    static void commit(String group, String member, int generation, int version) throws Exception {
        var partition = new OffsetCommitRequestData.OffsetCommitRequestPartition().setPartitionIndex(0).setCommittedOffset(1);
        var topic = new OffsetCommitRequestData.OffsetCommitRequestTopic().setName("known").setPartitions(List.of(partition));
        call("commit as '" + member + "' in generation " + generation + " of '" + group + "'", ApiKeys.OFFSET_COMMIT, version,
            new OffsetCommitRequestData().setGroupId(group).setMemberId(member).setGenerationIdOrMemberEpoch(generation)
                .setTopics(List.of(topic)), true);
    }

    static void join(String what, String group, String member, int session, String type, String... protocols) throws Exception {
        var offered = new JoinGroupRequestData.JoinGroupRequestProtocolCollection();
        for (var name : protocols) {
            offered.add(new JoinGroupRequestData.JoinGroupRequestProtocol().setName(name).setMetadata(new byte[0]));
        }
        call("join: " + what, ApiKeys.JOIN_GROUP, 9, new JoinGroupRequestData().setGroupId(group).setMemberId(member)
            .setSessionTimeoutMs(session).setRebalanceTimeoutMs(30000).setProtocolType(type).setProtocols(offered), true);
    }

    static ConsumerGroupHeartbeatRequestData beat(String group, String member, int epoch) {
        return new ConsumerGroupHeartbeatRequestData().setGroupId(group).setMemberId(member).setMemberEpoch(epoch)
            .setRebalanceTimeoutMs(30000).setSubscribedTopicNames(List.of("known")).setTopicPartitions(List.of());
    }

    static void consumerGroups() throws Exception {
        var owned = List.of(new ConsumerGroupHeartbeatRequestData.TopicPartitions().setTopicId(Uuid.ONE_UUID)
            .setPartitions(List.of(0)));
        heartbeat("without a group", 1, beat("", "m", 0));
        heartbeat("without a member", 1, beat("new", "", 0));
        heartbeat("later without a member", 0, beat("new", "", 1));
        heartbeat("leaving without a member", 0, beat("new", "", -1));
        heartbeat("empty instance", 1, beat("new", "m", 0).setInstanceId(""));
        heartbeat("empty rack", 1, beat("new", "m", 0).setRackId(""));
        heartbeat("no rebalance timeout", 1, beat("new", "m", 0).setRebalanceTimeoutMs(-1));
        heartbeat("owns already", 1, beat("new", "m", 0).setTopicPartitions(owned));
        heartbeat("owns null", 1, beat("new", "m", 0).setTopicPartitions(null));
        heartbeat("no subscription", 1, beat("new", "m", 0).setSubscribedTopicNames(null));
        heartbeat("static leave without instance", 1, beat("new", "m", -2));
        heartbeat("epoch -3", 1, beat("new", "m", -3));
        heartbeat("unknown assignor", 1, beat("new", "m", 0).setServerAssignor("sticky"));
        heartbeat("bad expression", 1, beat("new", "m", 0).setSubscribedTopicRegex("a(").setSubscribedTopicNames(null));
        heartbeat("unknown group", 1, beat("new", "m", 1));
        heartbeat("leaving an unknown group", 1, beat("new", "m", -1));
        heartbeat("join", 1, beat("new", "m", 0).setSubscribedTopicNames(List.of("missing")));
        heartbeat("again", 1, beat("new", "m", 1));
        heartbeat("unknown member", 1, beat("new", "n", 1));
        heartbeat("unknown member leaves", 1, beat("new", "n", -1));
        heartbeat("epoch too high", 1, beat("new", "m", 9));
        heartbeat("unknown instance", 1, beat("new", "m", 1).setInstanceId("i"));
        heartbeat("unknown instance leaves", 1, beat("new", "m", -2).setInstanceId("i"));
        heartbeat("static join", 1, beat("new", "s", 0).setInstanceId("i").setSubscribedTopicNames(List.of("missing")));
        heartbeat("static join of another", 1, beat("new", "t", 0).setInstanceId("i"));
        heartbeat("fenced instance", 1, beat("new", "t", 3).setInstanceId("i"));
        heartbeat("static leave", 1, beat("new", "s", -2).setInstanceId("i"));
        heartbeat("static return", 1, beat("new", "t", 0).setInstanceId("i").setSubscribedTopicNames(List.of("missing")));
        commit("new", "m", 9, 9);
        commit("new", "m", 1, 9);
        commit("new", "n", 1, 9);
        commit("new", "", -1, 9);
        commit("new", "m", 9, 8);
        join("a consumer group without its protocols", "new", "", 30000, "consumer", "range");
        join("a consumer group with another type", "new", "", 30000, "connect", "range");
        call("heartbeat of a classic member", ApiKeys.HEARTBEAT, 4,
            new HeartbeatRequestData().setGroupId("new").setGenerationId(1).setMemberId("m"), true);
        for (int version : new int[] {0, 1}) {
            for (var group : List.of("missing", "")) {
                call("describe consumer group '" + group + "'", ApiKeys.CONSUMER_GROUP_DESCRIBE, version,
                    new ConsumerGroupDescribeRequestData().setGroupIds(List.of(group)), true);
            }
        }
        call("describe a consumer group as classic", ApiKeys.DESCRIBE_GROUPS, 6,
            new DescribeGroupsRequestData().setGroups(List.of("new")), true);
        call("delete a consumer group with members", ApiKeys.DELETE_GROUPS, 2,
            new DeleteGroupsRequestData().setGroupsNames(List.of("new")), true);
        heartbeat("leave", 1, beat("new", "m", -1));
        heartbeat("leave", 1, beat("new", "t", -1).setInstanceId("i"));
        call("delete a consumer group", ApiKeys.DELETE_GROUPS, 2,
            new DeleteGroupsRequestData().setGroupsNames(List.of("new")), true);
    }

    static void heartbeat(String what, int version, ConsumerGroupHeartbeatRequestData request) throws Exception {
        call("consumer group heartbeat: " + what, ApiKeys.CONSUMER_GROUP_HEARTBEAT, version, request, true);
    }

    static String call(String what, ApiKeys api, int version, ApiMessage request, boolean print) throws Exception {
        String said;
        try {
            said = answer(api, (short) version, request);
        } catch (EOFException | java.net.SocketException closed) {
            said = "closed";
        }
        if (print) System.out.println(what + "|" + version + "|" + said);
        return said;
    }

    static String answer(ApiKeys api, short version, ApiMessage request) throws Exception {
        var header = new RequestHeader(api, version, "refusals", 7);
        var cache = new ObjectSerializationCache();
        int size = header.data().size(cache, header.headerVersion()) + request.size(cache, version);
        var buffer = ByteBuffer.allocate(size);
        var writable = new ByteBufferAccessor(buffer);
        header.data().write(writable, cache, header.headerVersion());
        request.write(writable, cache, version);
        try (var socket = new Socket(host, port)) {
            socket.setSoTimeout(30000);
            var out = new DataOutputStream(socket.getOutputStream());
            out.writeInt(size);
            out.write(buffer.array());
            out.flush();
            var in = new DataInputStream(socket.getInputStream());
            var bytes = new byte[in.readInt()];
            in.readFully(bytes);
            var readable = new ByteBufferAccessor(ByteBuffer.wrap(bytes));
            var data = ApiMessageType.fromApiKey(api.id).newResponse();
            new ResponseHeaderData().read(readable, api.responseHeaderVersion(version));
            data.read(readable, version);
            var converter = Class.forName(data.getClass().getName() + "JsonConverter");
            var json = converter.getMethod("write", data.getClass(), short.class).invoke(null, data, version).toString();
            // What is drawn, and what a library says of a pattern.
            if (json.contains("\"errorCode\":79")) json = json.replaceFirst("\"memberId\":\"[^\"]*\"", "\"memberId\":\"DRAWN\"");
            json = json.replaceFirst("(is not a valid regular expression: )[^\"]*", "$1REASON");
            return json.replace("\"port\":" + port, "\"port\":PORT").replace("\"host\":\"" + host, "\"host\":\"HOST");
        }
    }
}
