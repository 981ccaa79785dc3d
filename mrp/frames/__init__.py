"""Build population frames: who lives where, from the tables that there are.

    from mrp import frames

    seed = frames.seed_cells({"district": codes, "age": ages, "education": degrees}, national_age_by_education)
    raked = frames.rake_cells(seed, {"age": district_by_age, "education": district_by_education})
    raked.built.cells          # district, age, education, n_people
    raked.gaps                 # how far it is from every margin
    raked.built.assumptions    # what no table told

A variable that the census lacks comes from a survey, as several frames, over which everything is then estimated:

    past = frames.fit_variable(interviews, electorate, variable="past", levels=parties, formula="(1|age)", seed=1)
    drawn = frames.extend_cells(past, electorate, variable="past", margins={"result": last_result})
    world = frames.extended_electorate(electorate, drawn, variable="past", levels=parties)
    design = outcome.build("(1|past) + (1|district)", world)                    # and fitted to a poll, see mrp.outcomes
    frames.draws_over_frames(fit.latents, design, world, drawn, [Grouping(by=("district",))])

Each operation is a function of tables, `mrp.frames.cells`, and says what it did, what it took for true and what may be
wrong:

===================================  ================================================================================
`count_people`                       weighted records of people, and what each cell rests on
`seed_cells`, `rake_cells`           margins by raking
`product_joint`                      two tables, independent given what they share
`merge_levels`, `split_level`        levels
`cross_districts`                    districts, by a weighted crosswalk
`grow_to_totals`,                    to a date
`interpolate_frames`
`fit_variable`, `extend_cells`       a variable that the census lacks, from a survey, as several frames
`draws_over_frames`, `frame_sd`,     estimates over several frames, of everybody and of voters
`voters_over_frames`
`modelled_joint`                     a variable that the census has, but not together with the others
`check_association`                  whether a table that has columns together agrees with the frame
===================================  ================================================================================
"""

from mrp.frames.association import AssociationCheck, check_association
from mrp.frames.cells import Built, complete_cells, require_cells
from mrp.frames.crosswalk import cross_districts
from mrp.frames.extension import FrameDraws, extend_cells, extended_electorate, fit_variable, modelled_joint
from mrp.frames.growth import grow_to_totals, interpolate_frames
from mrp.frames.joints import product_joint
from mrp.frames.levels import merge_levels, split_level
from mrp.frames.margins import CellGap, RakedCells, rake_cells, seed_cells
from mrp.frames.over_draws import draws_over_frames, frame_sd, voters_over_frames
from mrp.frames.people import CountedPeople, count_people

__all__ = [
    "AssociationCheck",
    "Built",
    "CellGap",
    "CountedPeople",
    "FrameDraws",
    "RakedCells",
    "check_association",
    "complete_cells",
    "count_people",
    "cross_districts",
    "draws_over_frames",
    "extend_cells",
    "extended_electorate",
    "fit_variable",
    "frame_sd",
    "grow_to_totals",
    "interpolate_frames",
    "merge_levels",
    "modelled_joint",
    "product_joint",
    "rake_cells",
    "require_cells",
    "seed_cells",
    "split_level",
    "voters_over_frames",
]
