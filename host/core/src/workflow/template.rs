//! The workflow that `longhaul init` writes.

/// A commented workflow that runs at once on any folder and changes nothing.
pub const STARTER: &str = r#"# A Longhaul workflow. Run it with:   longhaul run NAME.workflow.yaml
# It only reads: a planner splits the folder into chunks, a reviewer looks through each of them.
version: 1
name: starter

# What the run is for. Every agent is told.
objective: Look through this folder and report what should not stay as it is

# What a run can be given: longhaul run NAME.workflow.yaml --input files='src/**'
inputs:
  files:
    default: "**"
    description: Which files to look at

# Agents are plugins with a configuration. `longhaul plugin inspect reviewer` shows what one can be told.
agents:
  planner:
    plugin: chunk-planner
    config:
      chunk: 30m                    # no chunk is estimated to take longer
  reviewer:
    plugin: reviewer
    config:
      fail_at: never                # report findings, and go on
      rules:
        - name: merge-conflict
          regex: "^(<{7}|>{7}) "
          severity: error
          message: a merge conflict was left in this file
        - name: to-do
          regex: "\\b(TODO|FIXME|XXX)\\b"
          severity: info
        - name: long-line
          max_line_length: 160
          severity: info

# What tasks may do. What is not mentioned is denied: nothing is written, nothing is run, no host is asked.
permissions:
  fs: { read: ["**"] }

# Tasks run as soon as what they need has ended, up to three at a time.
tasks:
  plan:
    agent: planner
    with: { glob: "${{ inputs.files }}" }

  review:
    needs: plan
    for_each: "${{ tasks.plan.chunks }}"      # one review for each chunk
    agent: reviewer
    with: { chunk: "${{ item }}" }

# Not said here, so the defaults hold: a task has 30 minutes, 1 GiB of disk and 3 attempts, the run 7 h 30 min.
done_when: "${{ tasks.review.status == 'completed' }}"
"#;
