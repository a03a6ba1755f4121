"""What asv measures: the workloads of the suite, of the version that is first on the path."""

import sys

# An editable installation finds its own source before that of a worktree on the path, unless it is asked last.
sys.meta_path.sort(key=lambda finder: hasattr(finder, "known_source_files"))
