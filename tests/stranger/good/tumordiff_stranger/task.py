"""The task: parameters that become a form, and a ``run`` that leaves a result folder."""

from pydantic import BaseModel, Field


class Params(BaseModel):
    """What the form asks for; nothing but pydantic is imported at the top."""

    result: str = Field(title="Result", description="A result folder with denoised images.")
    above: float = Field(0.0, title="Above", description="Only values above this count.")


def run(params, job):
    """Measure the mean of the denoised images and keep it as a figure."""
    from pathlib import Path

    from tumordiff_core import result_folder

    values = result_folder.open_result(Path(params.result)).array("mean")
    job.progress.stage("measure", len(values))
    sums = []
    for phase in values:
        sums.append(float(phase[phase > params.above].mean()))
        job.progress.advance()
    record = result_folder.Record(
        kind="evaluation", provenance="derived", title="Brightness", figures={"brightness": sum(sums) / len(sums)}
    )
    result_folder.finish(job.result, record)
    job.answer["brightness"] = record.figures["brightness"]
