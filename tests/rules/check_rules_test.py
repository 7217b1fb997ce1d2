#!/usr/bin/python3
"""The checker must fail on bad trees: each rule is broken here once, and once nearly."""

import os
import tempfile
import textwrap
import unittest

import check_rules
import source_text


def header(path, body=""):
    guard = "ENGRAM_" + path.upper().replace("/", "_").replace(".", "_") + "_"
    return f"#ifndef {guard}\n#define {guard}\n{body}#endif  // {guard}\n"


class CheckerTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def write(self, path, content):
        full = os.path.join(self.folder.name, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8", newline="") as file:
            file.write(content)
        return os.path.realpath(full)

    def violations(self, compiled=None):
        return check_rules.Checker(self.folder.name, compiled).run()

    def expect(self, *expected):
        """The violations are just these (path, line, rule)."""
        self.assertEqual([v[:3] for v in self.violations()], sorted(expected))


class IncludeTest(CheckerTest):
    def setUp(self):
        super().setUp()
        for folder in ("storage", "server", "client", "proto"):
            self.write(f"{folder}/x.h", header(f"{folder}/x.h"))
        self.everything = "".join(
            f'#include "{folder}/x.h"\n' for folder in ("client", "proto", "server", "storage"))
        self.write("tests/all.cc", self.everything + '#include "engram/v1/engram.pb.h"\n')

    def test_tests_may_include_everything(self):
        self.expect()

    def test_storage_includes_nothing_else(self):
        self.write("storage/a.cc", self.everything + '#include <engram/v1/engram.pb.h>\n')
        self.expect(("storage/a.cc", 1, "include-direction"),
                    ("storage/a.cc", 2, "include-direction"),
                    ("storage/a.cc", 3, "include-direction"),
                    ("storage/a.cc", 5, "include-direction"))

    def test_placement_includes_only_the_bottom_of_storage(self):
        self.write("storage/ram/x.h", header("storage/ram/x.h"))
        self.write("storage/table_spec.h", header("storage/table_spec.h"))
        self.write("storage/placement/x.h", header("storage/placement/x.h"))
        self.write("storage/placement/a.cc", '#include "storage/placement/x.h"\n'
                   '#include "storage/table_spec.h"\n'
                   '#include "storage/ram/x.h"\n')
        self.write("storage/ram/a.cc", '#include "storage/placement/x.h"\n')
        self.expect(("storage/placement/a.cc", 3, "include-direction"))

    def test_server_does_not_include_client(self):
        self.write("server/a.cc", self.everything + '#include "engram/v1/engram.pb.h"\n')
        self.expect(("server/a.cc", 1, "include-direction"))

    def test_client_does_not_include_server_and_storage(self):
        self.write("client/a.cc", self.everything)
        self.expect(("client/a.cc", 3, "include-direction"),
                    ("client/a.cc", 4, "include-direction"))

    def test_proto_includes_only_itself(self):
        self.write("proto/a.cc", self.everything)
        self.expect(*(("proto/a.cc", line, "include-direction") for line in (1, 3, 4)))

    def test_nothing_includes_tests(self):
        self.write("tests/x.h", header("tests/x.h"))
        self.write("server/a.cc", '#include "tests/x.h"\n')
        self.expect(("server/a.cc", 1, "include-direction"))

    def test_includes_start_at_the_root_and_exist(self):
        self.write("storage/a.cc", '#include "x.h"\n#include "storage/y.h"\n#include "absl/x.h"\n')
        self.expect(("storage/a.cc", 1, "include-path"), ("storage/a.cc", 2, "include-path"))


class SizeTest(CheckerTest):
    def test_file_length(self):
        self.write("server/a.cc", "\n".join(["int a();"] * 400) + "\n")
        self.write("server/b.cc", "\n".join(["int a();"] * 401) + "\n")
        self.expect(("server/b.cc", 401, "file-length"))

    def test_line_length(self):
        self.write("server/a.cc", "/" * 100 + "\n" + "/" * 101 + "\n")
        self.write("README.md", "-" * 200 + "\n")
        self.expect(("server/a.cc", 2, "line-length"))

    def test_function_length_in_three_languages(self):
        # Each body has 70 lines in the first function, and 71 in the second.
        cpp = "void F() {\n" + "  f();\n" * 68 + "}\nvoid G() {\n" + "  g();\n" * 69 + "}\n"
        python = "def f():\n" + "    f()\n" * 69 + "def g():\n" + "    g()\n" * 70
        shell = "f() {\n" + "  f\n" * 68 + "}\ng() {\n" + "  g\n" * 69 + "}\n"
        self.write("server/a.cc", cpp)
        self.write("deploy/a.py", python)
        self.write("deploy/a.sh", shell)
        self.expect(("server/a.cc", 71, "function-length"), ("deploy/a.py", 71, "function-length"),
                    ("deploy/a.sh", 71, "function-length"))

    def test_test_data(self):
        self.write("tests/data/a.bin", "x" * 1_999_000)
        self.expect()
        self.write("tests/data/b.bin", "x" * 1_001)
        self.expect(("tests/data", 1, "test-data"))


class CleanlinessTest(CheckerTest):
    def test_unfinished_work(self):
        words = ("TO" "DO", "FIX" "ME", "XX" "X")
        self.write("deploy/README.md", "".join(f"{word}: later\n" for word in words))
        self.write("deploy/a.sh", "mktemp file.XXXXXX\ntodo=1\n")
        self.expect(*(("deploy/README.md", line, "unfinished") for line in (1, 2, 3)))

    def test_whitespace(self):
        self.write("server/a.cc", "\tint a;\nint b; \nint c;\r\nint d;")
        self.write("server/b.cc", "int a;\n\n")
        self.expect(("server/a.cc", 1, "whitespace"), ("server/a.cc", 2, "whitespace"),
                    ("server/a.cc", 3, "whitespace"), ("server/a.cc", 4, "whitespace"),
                    ("server/b.cc", 3, "whitespace"))

    def test_test_data_is_left_alone(self):
        self.write("tests/data/a.json", "\t\n\n")
        self.expect()

    def test_include_guards(self):
        good = header("server/a.h")
        self.write("tests/all.cc", "".join(f'#include "server/{n}.h"\n' for n in "abcd"))
        self.write("server/a.h", good)
        self.write("server/b.h", good)
        self.write("server/c.h", header("server/c.h").replace("#endif  // ENG", "#endif // ENG"))
        self.write("server/d.h", "#pragma once\n")
        self.expect(("server/b.h", 1, "include-guard"), ("server/c.h", 3, "include-guard"),
                    ("server/d.h", 1, "include-guard"))


class PlaceTest(CheckerTest):
    def test_only_known_folders_and_files_at_the_top(self):
        for path in ("LICENSE", ".ci/run", "cmake/a.cmake", "build/x/a.cc", ".git/a.cc"):
            self.write(path, "x\n")
        self.expect()
        self.write("scratch/a.txt", "x\n")
        self.write("notes.txt", "x\n")
        self.expect(("scratch/a.txt", 1, "place"), ("notes.txt", 1, "place"))

    def test_tests_mirror_the_tree(self):
        self.write("storage/ram/a.cc", "int a;\n")
        self.write("tests/storage/ram/a_test.cc", "int a;\n")
        self.write("tests/e2e/a.cc", "int a;\n")
        self.expect()
        self.write("tests/storage/rom/a_test.cc", "int a;\n")
        self.write("storage/ram/a_test.cc", "int a;\n")
        self.expect(("tests/storage/rom/a_test.cc", 1, "place"),
                    ("storage/ram/a_test.cc", 1, "place"))

    def test_unused_files(self):
        self.write("server/a.h", header("server/a.h"))
        used = self.write("server/a.cc", "int a;\n")
        self.write("server/b.cc", "int b;\n")
        self.assertEqual([v[:3] for v in self.violations(compiled={used})],
                         [("server/a.h", 1, "unused"), ("server/b.cc", 1, "unused")])


class CppFunctionsTest(unittest.TestCase):
    def expect(self, text, *expected):
        """Functions found, as (first line, last line, name)."""
        self.assertEqual(list(source_text.cpp_functions(textwrap.dedent(text))), list(expected))

    def test_members_and_nested_scopes(self):
        self.expect("""\
            namespace a::b {
            template <typename T>
            class C final : public D<T> {
             public:
              explicit C(int x) : x_(x) {}
              int Get() const override {
                if (x_ > 0) { return 1; }
                return 0;
              }
             private:
              int x_ = 0;
            };
            enum class E : int { kOne, kTwo };
            struct alignas(64) Slot {
              void Clear() {
              }
            };
            }  // namespace
            """, (5, 5, "C"), (6, 9, "Get"), (15, 16, "Clear"))

    def test_braces_that_are_no_blocks(self):
        self.expect("""\
            // A comment with {
            /* and one
               over lines { */
            constexpr char kText[] = "{";
            constexpr char kRaw[] = R"x({ ")" {)x";
            constexpr char kBrace = '{';
            constexpr int kMillion = 1'000'000; constexpr char kOther = '}';
            #define OPEN(x) \\
              { x
            int F() {
              return 0;
            }
            """, (10, 12, "F"))

    def test_initializers_are_no_functions(self):
        self.expect("""\
            const int kTable[] = {
                1,
            };
            const std::vector<int> kOther{
                2,
            };
            Options MakeOptions(int a, const Options& base = {}) {
              return base;
            }
            Thing::Thing(int a) : a_{a}, b_(a) {
              a_ = 0;
            }
            """, (7, 9, "MakeOptions"), (10, 10, "Thing::Thing"), (10, 12, "b_"))

    def test_lambdas_count_for_their_function(self):
        self.expect("""\
            TEST(Suite, Name) {
              auto f = [](int x) {
                return x;
              };
            }
            """, (1, 5, "TEST"))


if __name__ == "__main__":
    unittest.main()
