"""What spark.py runs: one step of Spark's structured streaming, in a process of its own.

    spark_streams.py JARS ADDRESS FOLDER write FROM TO     rows FROM to TO into the topic `numbers`, with headers
    … read                                                 prints the rows of `numbers`, as a batch, with their headers
    … stream TOPIC                                         copies what is new to TOPIC and ends; its checkpoint is in FOLDER
    … endless TOPIC                                        the same until it is killed; prints each batch
    … committed                                            prints the values that a reader of committed records sees
"""

import glob
import sys

from pyspark.sql import SparkSession
from pyspark.sql.functions import array, col, lit, struct

jars, address, folder, step, *rest = sys.argv[1:]
spark = (SparkSession.builder.master("local[2]").config("spark.jars", ",".join(glob.glob(f"{jars}/*.jar")))
         .config("spark.ui.enabled", "false").config("spark.sql.shuffle.partitions", "2").getOrCreate())
spark.sparkContext.setLogLevel("WARN")


def options(source, **more):
    for key, value in {"kafka.bootstrap.servers": address, **more}.items():
        source = source.option(key.replace("__", "."), value)
    return source


def rows(frame):
    return frame.select(col("key").cast("string"), col("value").cast("string"), "partition", "offset", "headers")


if step == "write":
    numbers = spark.range(int(rest[0]), int(rest[1])).select(
        (col("id") % 7).cast("string").alias("key"), col("id").cast("string").alias("value"),
        array(struct(lit("h").alias("key"), lit("x").cast("binary").alias("value"))).alias("headers"))
    options(numbers.write.format("kafka"), topic="numbers", includeHeaders="true").save()
elif step == "read":
    found = options(spark.read.format("kafka"), subscribe="numbers", includeHeaders="true", startingOffsets="earliest",
                    minPartitions="6").load()
    for row in rows(found).collect():
        print("row", row.key, row.value, row.partition, row.offset, row.headers[0].key, bytes(row.headers[0].value).decode())
elif step == "committed":
    found = options(spark.read.format("kafka"), subscribe="transactional", kafka__isolation__level="read_committed").load()
    for row in found.select(col("value").cast("string")).collect():
        print("value", row.value)
else:
    source = options(spark.readStream.format("kafka"), subscribe="numbers", startingOffsets="earliest",
                     maxOffsetsPerTrigger="50").load()
    sink = options(source.select("key", "value").writeStream.format("kafka"), topic=rest[0],
                   checkpointLocation=f"{folder}/{rest[0]}")
    if step == "stream":
        sink.trigger(availableNow=True).start().awaitTermination()
    else:
        query = sink.trigger(processingTime="100 milliseconds").start()
        while query.isActive:
            query.awaitTermination(1)
            for progress in query.recentProgress[-1:]:
                print("batch", progress["batchId"], progress["numInputRows"], flush=True)
        print(query.exception())
spark.stop()
