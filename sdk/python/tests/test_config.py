"""Configuration: Kafka's words, and what a description says."""

import json
import unittest

from millstream import Config, ConfigError, Importance, Info, Opens, RowTransform, boolean, component, integer, number
from millstream import password, string, strings
from millstream.component import describe
from millstream.config import ListOf, NullOr, OneOfIgnoreCase, Regex, SomeItems


class Sample(Config):
    topic = string("topic", required=True, non_empty=True)
    size = integer("batch.size", default=2000, min=1)
    mode = string("mode", default="slow", one_of=["slow", "fast"])
    tags = strings("tags")
    loud = boolean("loud", default=False)
    ratio = number("ratio")
    secret = password("secret", check=lambda text: "too short" if text is not None and len(text) < 3 else None)


class Parsing(unittest.TestCase):
    def refused(self, config, message, of=Sample):
        with self.assertRaises(ConfigError) as caught:
            of.parse(config)
        self.assertEqual(caught.exception.message, message)

    def test_values_are_trimmed_and_defaults_filled_in(self):
        config = Sample.parse({"topic": " a ", "tags": " x , y,", "loud": " TRUE", "ratio": "1.5e3d", "other": "z"})
        self.assertEqual((config.topic, config.size, config.tags), ("a", 2000, ["x", "y", ""]))
        self.assertEqual((config.loud, config.ratio, config.secret), (True, 1500.0, None))
        self.assertEqual(config.originals["other"], "z")

    def test_a_refusal_has_kafkas_words(self):
        self.refused({}, 'Missing required configuration "topic" which has no default value.')
        self.refused({"topic": " "}, "Invalid value  for configuration topic: String must be non-empty")
        for key, value, problem in (
            ("batch.size", "x", "Not a number of type INT"),
            ("batch.size", "1_0", "Not a number of type INT"),
            ("batch.size", "2147483648", "Not a number of type INT"),
            ("batch.size", "0", "Value must be at least 1"),
            ("mode", "Fast", "String must be one of: slow, fast"),
            ("loud", "yes", "Expected value to be either true or false"),
            ("ratio", "inf", "Not a number of type DOUBLE"),
        ):
            self.refused({"topic": "t", key: value}, f"Invalid value {value} for configuration {key}: {problem}")
        self.refused({"topic": "t", "secret": "12"}, "Invalid value [hidden] for configuration secret: too short")

    def test_a_key_set_to_nothing_is_null_despite_its_default(self):
        config = Sample.parse({"topic": "t", "loud": None})
        with self.assertRaisesRegex(ConfigError, "Invalid value null for configuration loud: Value must be non-null"):
            _ = config.loud
        words = "Invalid value null for configuration batch.size: Value must be non-null"
        self.refused({"topic": "t", "batch.size": None}, words)

    def test_lists(self):
        class Names(Config):
            names = strings("names", non_empty=True)
            some = strings("some", validator=SomeItems(), default="x")

        self.assertEqual(Names.parse({"names": "a, b,a"}).names, ["a", "b"])
        self.refused({"names": "a,"}, "Configuration 'names' values must not be empty.", Names)
        self.refused({}, "Configuration 'names' values must not be null.", Names)
        words = "Configuration 'names' must not be empty. Valid values include: any non-empty value"
        self.refused({"names": ""}, words, Names)
        self.refused({"names": "a", "some": ""}, "Invalid value [] for configuration some: Empty list", Names)

        class Closed(Config):
            names = strings("names", validator=ListOf(one_of=["a", "b"]))

        self.refused(
            {"names": "a,c"}, "Invalid value c for configuration names: String must be one of: a, b", Closed
        )

    def test_other_validators(self):
        class Other(Config):
            case = string("case", validator=NullOr(OneOfIgnoreCase(["One", "Two"])))
            pattern = string("pattern", validator=Regex())

        self.assertEqual(Other.parse({"case": "tWo", "pattern": "(["}).case, "tWo")
        words = "Invalid value x for configuration case: String must be one of (case insensitive): ONE, TWO"
        self.refused({"case": "x"}, words, Other)

    def test_the_plugins_own_checks_run_alone_for_the_host(self):
        problem = "Invalid value [hidden] for configuration secret: too short"
        self.assertEqual(Sample.problems({"secret": "1", "loud": "no such thing"}), [("secret", problem)])

    def test_keys_together_are_checked_when_all_are_parsed(self):
        class Bounds(Config):
            low = integer("low", default=0)
            high = integer("high", default=10)

            def ready(self):
                if self.low > self.high:
                    raise ConfigError("low is above high")

        self.refused({"low": "11"}, "low is above high", Bounds)

    def test_wrong_declarations_are_told_where_they_stand(self):
        with self.assertRaisesRegex(TypeError, "declared twice"):
            type("Twice", (Config,), {"a": string("x"), "b": string("x")})
        with self.assertRaisesRegex(TypeError, "give the key another attribute"):
            type("Taken", (Config,), {"keys": string("x")})
        with self.assertRaisesRegex(ValueError, "required and has a default"):
            string("x", required=True, default="y")


class Description(unittest.TestCase):
    def test_it_says_all_that_was_declared(self):
        class LineConfig(Config):
            file = string(
                "file", doc="What to read.", importance=Importance.HIGH, opens=Opens.read_file(or_stdin=True)
            )
            n = integer("n", default=3, min=1, max=9, group="Limits", order=2, display_name="Number", dependents=["file"])
            url = string("url", opens=Opens.http_url({"password": "pw", "headers": ["h", "more"], "connect-timeout-ms": "n"}))

        class Line(RowTransform[LineConfig]):
            """Reads *lines*.

            All of them.
            """

            info = Info("org.example.Line", version="1.0", aliases=("Lines",), wants_lease=True)

        exported = component(Line)
        found = json.loads(exported().describe())
        self.assertEqual(found, json.loads(describe()))
        self.assertEqual(found["batch_formats"], [1])
        (plugin,) = found["plugins"]
        self.assertEqual(plugin["documentation"], "Reads *lines*.\n\nAll of them.")
        self.assertEqual((plugin["kind"], plugin["class"], plugin["aliases"]), ("transform", "org.example.Line", ["Lines"]))
        self.assertEqual((plugin["version"], plugin["wants"]), ("1.0", ["lease"]))
        file, n, url = plugin["config"]
        self.assertEqual(file["opens"], {"file": "read", "or": "stdin"})
        self.assertEqual((file["default"], file["importance"], file["group"], file["order"]), (None, "HIGH", None, -1))
        expected = {
            "name": "n", "type": "INT", "required": False, "default": "3", "importance": "MEDIUM",
            "documentation": "", "group": "Limits", "order": 2, "width": "NONE", "display_name": "Number",
            "dependents": ["file"], "recommended": [], "validator": {"range": {"min": 1, "max": 9}},
        }
        self.assertEqual(n, expected)
        roles = {"password": ["pw"], "headers": ["h", "more"], "connect-timeout-ms": ["n"]}
        self.assertEqual(url["opens"], {"http": "url", "with": roles, "defaults": {"connect-timeout-ms": "3"}})

    def test_classes_that_are_no_plugins_are_refused(self):
        class Nameless(RowTransform):
            pass

        class Named(RowTransform):
            info = Info("org.example.Named")

        for plugins, error, words in (
            ([int], TypeError, "is no plugin"),
            ([Nameless], TypeError, "says nothing about itself"),
            ([Named, Named], ValueError, "two plugins are called org.example.Named"),
        ):
            with self.subTest(words), self.assertRaisesRegex(error, words):
                component(*plugins)


if __name__ == "__main__":
    unittest.main()
